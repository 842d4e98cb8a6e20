package discovery

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// Every registration that gets no traffic from any backend has a fault, which says why.
func TestFaultsOf(t *testing.T) {
	t.Parallel()
	failing := func(c consul.EntryCheck) func(*consul.Entry) {
		return func(e *consul.Entry) { e.Checks = append(e.Checks, c) }
	}
	service := func(change func(*consul.Service)) func(*consul.Entry) {
		return func(e *consul.Entry) { change(e.Service) }
	}
	http := consul.EntryCheck{Check: consul.Check{CheckID: "c1", ServiceID: "web-1", Status: "critical"}, Name: "http", Output: "HTTP GET /: 503\nsorry"}
	for name, test := range map[string]struct {
		change func(*consul.Entry)
		want   string // "ADDRESS VERSION: fault"
	}{
		"all well":            {func(*consul.Entry) {}, ""},
		"port 0":              {service(func(s *consul.Service) { s.Port = 0 }), "10.0.0.1:0 : web-1 on n: port: 0 is not a port, expected 1 to 65535"},
		"port out of range":   {service(func(s *consul.Service) { s.Port = 70_000 }), "10.0.0.1:70000 : web-1 on n: port: 70000 is not a port, expected 1 to 65535"},
		"negative port":       {service(func(s *consul.Service) { s.Port = -1 }), "10.0.0.1:-1 : web-1 on n: port: -1 is not a port, expected 1 to 65535"},
		"bad address":         {service(func(s *consul.Service) { s.Address = "http://x" }), `[http://x]:80 : web-1 on n: address: "http://x" is not a host`},
		"any address":         {service(func(s *consul.Service) { s.Address = "0.0.0.0" }), `0.0.0.0:80 : web-1 on n: address: "0.0.0.0" is the address of no machine`},
		"multicast":           {service(func(s *consul.Service) { s.Address = "224.0.0.1" }), `224.0.0.1:80 : web-1 on n: address: "224.0.0.1" is a multicast address`},
		"broadcast":           {service(func(s *consul.Service) { s.Address = "255.255.255.255" }), `255.255.255.255:80 : web-1 on n: address: "255.255.255.255" is the broadcast address`},
		"link-local":          {service(func(s *consul.Service) { s.Address = "fe80::1" }), `[fe80::1]:80 : web-1 on n: address: "fe80::1" is a link-local address, which is of an interface that HAProxy cannot be told`},
		"no address":          {func(e *consul.Entry) { e.Node.Address = "" }, `:80 : web-1 on n: address: "" is not a host`},
		"version with blank":  {service(func(s *consul.Service) { s.Meta = map[string]string{"version": "1 0"} }), `10.0.0.1:80 1 0: web-1 on n: version: "1 0" holds a character that is not allowed, expected 1 to 128 characters out of A-Z a-z 0-9 _ . : - + ~; only its tags choose it`},
		"critical":            {failing(http), `10.0.0.1:80 : web-1 on n: check "http" is critical: HTTP GET /: 503 sorry`},
		"node's check":        {failing(consul.EntryCheck{Check: consul.Check{CheckID: "disk", Status: "warning"}, Output: "91 %"}), `10.0.0.1:80 : web-1 on n: node's check "disk" is warning: 91 %`},
		"service maintenance": {failing(consul.EntryCheck{Check: consul.Check{CheckID: "_service_maintenance:web-1", ServiceID: "web-1", Status: "critical"}, Notes: "new disk"}), "10.0.0.1:80 : web-1 on n: it is in maintenance mode: new disk"},
		"node maintenance":    {failing(consul.EntryCheck{Check: consul.Check{CheckID: "_node_maintenance", Status: "critical"}}), "10.0.0.1:80 : web-1 on n: its node is in maintenance mode"},
	} {
		var got strings.Builder
		for _, f := range faultsOf([]*consul.Entry{nil, {}, entry(test.change)}) {
			got.WriteString(f.Address + " " + f.Version + ": " + f.String())
		}
		if got.String() != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got.String(), test.want)
		}
	}
}

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var entries []*consul.Entry
	for n := range 3 * lb.MaxFaults {
		entries = append(entries, entry(func(e *consul.Entry) {
			e.Service.ID = strconv.Itoa(n)
			for i := range 3 * maxFaultChecks {
				e.Checks = append(e.Checks, consul.EntryCheck{Check: consul.Check{CheckID: strconv.Itoa(i), Status: "critical"}, Output: strings.Repeat("ä", maxText)})
			}
		}))
	}
	entries = append(entries, entry(func(e *consul.Entry) { e.Service.Port = 0 }))
	faults := faultsOf(entries)
	if len(faults) != lb.MaxFaults || len(lb.Service{Faults: faults}.Unusable()) != 1 {
		t.Errorf("%d faults, %d of invalid registrations", len(faults), len(lb.Service{Faults: faults}.Unusable()))
	}
	for _, f := range faults {
		if len(f.Checks) > maxFaultChecks || len(f.Checks) > 0 && len(f.Checks[0].Output) > maxText {
			t.Fatalf("%d checks, %d bytes", len(f.Checks), len(f.Checks[0].Output))
		}
	}
}

// Another output of a check is told to readers, but is no other answer about members.
func TestAnotherOutputChangesNoMember(t *testing.T) {
	t.Parallel()
	at := func(output string) answer {
		entries := []*consul.Entry{entry(func(e *consul.Entry) {
			e.Checks = append(e.Checks, consul.EntryCheck{Check: consul.Check{CheckID: "c", Status: "critical"}, Output: output})
		})}
		a := answer{Meta: consul.Meta{Index: 1, Leader: true}, at: time.Unix(1, 0), faults: faultsOf(entries)}
		a.instances, _ = parseInstances(entries, false)
		return a
	}
	first, _ := evaluate(lb.Service{Name: "web"}, at("one"), policy{}, evidence{})
	same, v := evaluate(first, at("one"), policy{}, evidence{})
	if v.changed || v.explained || !same.SameAnswer(first) {
		t.Errorf("same answer: %+v", v)
	}
	other, v := evaluate(first, at("two"), policy{}, evidence{})
	if v.changed || !v.explained || !other.SameAnswer(first) || other.Faults[0].Checks[0].Output != "two" {
		t.Errorf("other output: %+v, %+v", v, other.Faults)
	}
}
