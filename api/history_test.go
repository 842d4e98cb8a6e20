package api_test

import (
	"errors"
	"fmt"
	"testing"
)

func TestRecordedConfigurations(t *testing.T) {
	s := filledFixture(t)
	var list []struct {
		Number, Revision uint64
		Cause            string
	}
	s.get("/haproxy/configs?limit=2").wants(t, 200, &list)
	if len(list) != 2 || list[0].Number != 3 || list[1].Number != 2 || list[0].Cause != "PUT /frontends/www" {
		t.Fatalf("the newest two are %+v", list)
	}
	s.get("/haproxy/configs?before=2").wants(t, 200, &list)
	if len(list) != 1 || list[0].Number != 1 {
		t.Fatalf("before 2 there are %+v", list)
	}
	var one struct {
		Number uint64
		Text   string
	}
	s.get("/haproxy/configs/2").wants(t, 200, &one)
	if one.Number != 2 || one.Text != "PUT /backends/files" {
		t.Errorf("number 2 is %+v", one)
	}
	s.get("/haproxy/configs/9").refused(t, 404, "not_found")
	for _, path := range []string{"/haproxy/configs/x", "/haproxy/configs/-1", "/haproxy/configs?limit=0", "/haproxy/configs?since=1"} {
		s.get(path).refused(t, 400, "invalid")
	}
	s.Fail(errors.New("bad sector"))
	s.get("/haproxy/configs").refused(t, 500, "internal")
	s.get("/haproxy/configs/1").refused(t, 500, "internal")
}

func TestNoConfigurationWasRecordedYet(t *testing.T) {
	same(t, newFixture(t).get("/haproxy/configs").body, `[]`)
}

func TestActivityGoesBackPageByPage(t *testing.T) {
	s := filledFixture(t)
	var events []struct{ Seq uint64 }
	s.get("/activity?limit=2").wants(t, 200, &events)
	first := events[0].Seq
	s.get(fmt.Sprintf("/activity?limit=1&before=%d", first)).wants(t, 200, &events)
	if len(events) != 1 || events[0].Seq != first-1 {
		t.Errorf("before %d comes %+v", first, events)
	}
	s.get("/activity?before=1").wants(t, 200, &events)
	if len(events) != 0 {
		t.Errorf("before the first event there is %+v", events)
	}
}
