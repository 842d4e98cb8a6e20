package lb_test

import (
	"testing"

	"thalassa/lb"
)

func TestHostsOfTheNode(t *testing.T) {
	t.Parallel()
	h := lb.ParseHosts("::1 localhost six # comment\n127.0.0.2\tdb DB2.local\n10.0.0.1 db six\nnonsense x\n0.0.0.0 blocked\nfe80::1%lo zone\n")
	for name, want := range map[lb.Host]lb.Host{
		"localhost": "::1", "LOCALHOST.": "::1", "db": "127.0.0.2", "db2.local": "127.0.0.2", "six": "10.0.0.1",
		"x": "", "blocked": "", "zone": "", "comment": "", "elsewhere": "",
	} {
		if got, ok := h.Lookup(name); ok != (want != "") || ok && got != want {
			t.Errorf("%s is %s, %t, expected %q", name, got, ok, want)
		}
	}
	if got, ok := (*lb.Hosts)(nil).Lookup("localhost"); !ok || got != "127.0.0.1" {
		t.Errorf("localhost is %s, %t", got, ok)
	}
}

func TestNamesOfTheNodeNeedNoNameServer(t *testing.T) {
	t.Parallel()
	b := backend(t, "api", `{"type": "static", "members": [{"host": "localhost", "port": 80}, {"host": "db", "port": 81}, {"host": "www.example.org", "port": 82}]}`)
	p := lb.Process{Hosts: lb.ParseHosts("10.0.0.1 db\n")}.Populate(*b, lb.Snapshot{})
	want := []lb.Server{
		{Name: "localhost:80", Address: lb.HostPort{Host: "127.0.0.1", Port: 80}, Weight: 1},
		{Name: "db:81", Address: lb.HostPort{Host: "10.0.0.1", Port: 81}, Weight: 1},
		{Name: "www.example.org:82", Address: lb.HostPort{Host: "www.example.org", Port: 82}, Weight: 1},
	}
	for i, s := range p.Servers() {
		if s != want[i] {
			t.Errorf("server %+v, expected %+v", s, want[i])
		}
	}
	if id := p.Members[0].ID(); id != "///localhost/80" {
		t.Errorf("the member is %s", id)
	}
}
