package api_test

import (
	"net/http"
	"strings"
	"testing"

	"thalassa/lb"
)

// A registration that is not valid is named with its reason wherever people look for it.
func TestUnusableRegistrationsAreNamed(t *testing.T) {
	s := filledFixture(t)
	s.Find("shop",
		lb.Fault{ID: "shop-0", Node: "n1", Address: "10.1.0.9:0", Problem: "port: 0 is not a port, expected 1 to 65535", Checks: []lb.Check{{ID: "c", Name: "http", Status: "critical", Output: "refused"}}},
		lb.Fault{ID: "shop-9", Node: "n1", Address: "10.1.0.8:80", Checks: []lb.Check{{ID: "c", Status: "warning"}}},
	)
	type unusable struct {
		ID, Node, Address, Reason string
		Checks                    []struct{ ID, Name, Status, Output string }
	}
	check := func(where string, list []unusable, checks int) {
		t.Helper()
		if len(list) != 1 || list[0].ID != "shop-0" || list[0].Node != "n1" || list[0].Address != "10.1.0.9:0" ||
			!strings.Contains(list[0].Reason, "0 is not a port") || len(list[0].Checks) != checks {
			t.Errorf("%s: %+v", where, list)
		}
	}
	var all []struct {
		Service  string
		Unusable []unusable
	}
	s.get("/services").wants(t, http.StatusOK, &all)
	if len(all) != 2 || all[0].Service != "blog" || all[0].Unusable != nil {
		t.Fatalf("services %+v", all)
	}
	check("/services", all[1].Unusable, 0)
	var one struct{ Unusable []unusable }
	s.get("/services/shop").wants(t, http.StatusOK, &one)
	check("/services/shop", one.Unusable, 1)
	var backend struct{ Unused []unusable }
	s.get("/backends/live?unused=1").wants(t, http.StatusOK, &backend)
	check("/backends/live", backend.Unused[:1], 1)
}

// A backend names what it does not use.
func TestBackendNamesWhatItDoesNotUse(t *testing.T) {
	s := filledFixture(t)
	const path = "/backends/live?unused=1"
	var b struct {
		Unused []struct{ ID, Node, Address, Version, Status, Reason string }
	}
	r := s.get(path)
	r.wants(t, http.StatusOK, &b)
	if len(b.Unused) != 1 || b.Unused[0].ID != "shop-3" || b.Unused[0].Reason != "has version 2.0.0; the backend uses 1.0.0" ||
		b.Unused[0].Address != "10.1.0.3:8080" || b.Unused[0].Status != "passing" {
		t.Errorf("unused %+v", b.Unused)
	}
	s.get("/backends/live?unused=perhaps").refused(t, http.StatusBadRequest, "invalid")
	tag := s.get("/backends/files").header.Get("Etag")
	s.get("/backends/files?unused=1", "If-None-Match: "+tag).wants(t, http.StatusOK, &b) // its health may differ
	if b.Unused == nil || len(b.Unused) != 0 {
		t.Errorf("unused %+v", b.Unused)
	}

	// The answer can be put back.
	s.do(http.MethodPut, "/backends/live", string(r.body), "Content-Type: application/json").wants(t, http.StatusOK, nil)
}
