package lb_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
)

// control is that of a node with two addresses of its own, a floating IP and a
// whole network on its loopback.
func control() *lb.Control {
	return &lb.Control{
		Ports: []lb.ControlPort{
			{10000, "the agent's API"},
			{1988, "HAProxy's statistics page"},
			{8500, "Consul"},
			{8501, "Consul"},
			{8600, "Consul"},
			{8301, "Consul"},
		},
		Sockets: []string{"/run/thalassa/haproxy.sock", "/run/thalassa/master.sock"},
		Local: []netip.Prefix{
			netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("192.0.2.100/32"), netip.MustParsePrefix("2001:db8::7/128"),
			netip.MustParsePrefix("fe80::7/128"), netip.MustParsePrefix("198.51.100.0/24"),
		},
	}
}

// localSpellings are ways to write addresses at which the node of control answers.
func localSpellings() []string {
	spellings := []string{
		"localhost", "LOCALHOST.", "ip6-localhost", "anything.example", // names may be anything
		"0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "fe80::7%eth0", // addresses to some resolvers
		"::1", "[::1]", "0:0:0:0:0:0:0:1", "0000:0000::0001", "::", "[::]", "0.0.0.0", "0.0.0.1",
		"2001:db8::7", "2001:DB8:0:0::7", "fe80::7", "198.51.100.0", "198.51.100.77",
	}
	for _, v4 := range []string{"127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "192.0.2.7", "192.0.2.100", "198.51.100.9", "0.0.0.0"} {
		b := netip.MustParseAddr(v4).As4()
		high, low := uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3])
		spellings = append(spellings, v4,
			"::ffff:"+v4, "[::ffff:"+v4+"]", fmt.Sprintf("::FFFF:%x:%x", high, low), fmt.Sprintf("0:0:0:0:0:ffff:%x:%x", high, low),
			"::"+v4, "::ffff:0:"+v4, "64:ff9b::"+v4, fmt.Sprintf("64:ff9b::%x:%x", high, low),
			fmt.Sprintf("64:ff9b:1:%x:%x:%x::", high, low>>8, low<<8), fmt.Sprintf("64:ff9b:1::%x:%x", high, low),
			fmt.Sprintf("2002:%x:%x::1", high, low))
	}
	return spellings
}

func TestControlRefusesEverySpelling(t *testing.T) {
	t.Parallel()
	c := control()
	for _, spelling := range localSpellings() {
		for _, p := range c.Ports {
			host, err := lb.ParseHost(spelling)
			if err != nil {
				continue // no host at all
			}
			if c.Refusal(lb.HostPort{Host: host, Port: p.Port}) == "" {
				t.Errorf("%s is allowed at port %d", spelling, p.Port)
			}
			spec := lb.BackendSpec{Type: "static", Members: []lb.MemberSpec{{Host: "192.0.2.50", Port: 80}, {Host: spelling, Port: int(p.Port)}}}
			b, err := spec.Parse("pwned")
			if err != nil || b.CheckNew() != nil {
				continue // refused by itself, as 0.0.0.0 is
			}
			var invalid *lb.InvalidError
			if err := c.CheckBackend(b); !errors.As(err, &invalid) {
				t.Errorf("%v gives %v", spec.Members[1], err)
			} else if f := invalid.Fields; len(f) != 1 || f[0].Path != "members[1]" || f[0].Expected == "" || !strings.Contains(f[0].Problem, p.Use) {
				t.Errorf("%v gives %+v", spec.Members[1], f)
			}
		}
	}
}

func TestControlAllows(t *testing.T) {
	t.Parallel()
	c := control()
	for _, address := range []lb.HostPort{
		{"192.0.2.8", 10000},
		{"192.0.2.101", 8500},
		{"2001:db8::8", 10000},
		{"203.0.113.1", 8600},
		{"64:ff9b::cb00:7101", 10000},
		{"::ffff:203.0.113.1", 10000},
		{"2002:cb00:7101::1", 1988},
		{"fe80::8", 1988}, // other nodes'
		{"127.0.0.1", 80},
		{"192.0.2.7", 443},
		{"::1", 8080},
		{"app.example", 80}, // other services of this node
	} {
		if why := c.Refusal(address); why != "" {
			t.Errorf("%s is refused: %s", address, why)
		}
	}
	var none *lb.Control
	if why := none.Refusal(lb.HostPort{Host: "127.0.0.1", Port: 10000}); why != "" {
		t.Errorf("no control address refuses: %s", why)
	}
}

// TestControlFollowsTheNode: an address counts from when the node has it.
func TestControlFollowsTheNode(t *testing.T) {
	t.Parallel()
	c := control()
	floating := lb.HostPort{Host: "192.0.2.200", Port: 10000}
	if why := c.Refusal(floating); why != "" {
		t.Errorf("another node's address is refused: %s", why)
	}
	c.Local = append(c.Local, netip.MustParsePrefix("192.0.2.200/32"))
	if c.Refusal(floating) == "" {
		t.Error("the floating IP is allowed on its node")
	}
}

func TestControlJudgesRawLines(t *testing.T) {
	t.Parallel()
	c := control()
	refused := []string{
		"server x 127.0.0.1:10000", "server\tx\t127.0.0.1:10000 check", "server x ipv4@127.0.0.1:10000", "server x ipv6@::1:10000",
		"server x [::1]:10000", "server x ::1:10000", "server x ::ffff:127.0.0.1:8500", "server x *:10000", "server x :10000", "server x 0.0.0.0:10000",
		`server x "127.0.0.1:10000"`, `server x 127.0.0.1:1"000"0`, `server x '127.0.0.1':10000`, `server x \x31\x32\x37.0.0.1:10000`,
		`server "a b" 127.0.0.1:10000`, `server x\ y 127.0.0.1:10000`, "server x localhost:10000", "server x 127.1:8500", "server x 0177.0.0.1:1988",
		"server x 127.0.0.1:010000", "server x 127.0.0.1:10000x", "server x 127.0.0.1:75536", "server x 127.0.0.1:+100", "server x localhost:-5", "server x 127.0.0.2",
		"server x 192.0.2.7:1988", "server x 198.51.100.3:8600", "server x fe80::7%eth0:10000", "server-template w 3 127.0.0.1:10000", "server-template w 1-3 app.example:8500 check",
		"server x /run/thalassa/haproxy.sock", "server x unix@/run/thalassa/master.sock", "server x unix@/run/./thalassa//master.sock", "server x uxst@/run/thalassa/master.sock",
		"server x sockpair@5", "server x fd@5", "dispatch 127.0.0.1:10000", "dispatch localhost:8500",
		`server x "127.0.0.1:$PORT"`, `server x "$ADDRESS"`,
		"server x 192.0.2.9:80 check port 10000 addr 127.0.0.1", "server x 127.0.0.1:80 check port 8500", "server x 192.0.2.9:10000 check addr ::1",
		"server x 127.0.0.1:80 agent-check agent-port 10000", "server x 192.0.2.9:80 agent-check agent-addr 127.0.0.1 agent-port 8500",
		"server x 192.0.2.9:80 socks4 127.0.0.1:10000", "default-server port 10000", "default-server check addr 127.0.0.1", "default-server agent-port 8500",
		"http-check connect port 10000", "tcp-check connect addr 127.0.0.1 port 8500", "http-check connect addr localhost port 10000 ssl",
		// What stands last counts, and what stands after another option is a value.
		"default-server check port 80 port 8500", "server x 127.0.0.1:80 check port 80 port 8500", "server x 192.0.2.9:80 addr 192.0.2.9 addr 127.0.0.1 port 8500",
		"server x 127.0.0.1:80 check cookie port port 8500", "server x 192.0.2.9:80 check cookie addr addr 127.0.0.1 port 8500",
		"server x 192.0.2.9:80 socks4 192.0.2.9:80 socks4 127.0.0.1:10000", "http-check connect port 80 port 8500", "tcp-check connect addr 192.0.2.9 port 8500 addr ::1",
		// What C reads as a number, and what HAProxy works out itself.
		`server x 127.0.0.1:80 check port \ 8500`, `server x 127.0.0.1:80 check port "\t8500"`, `server x 127.0.0.1:80 agent-check agent-port \x0c8500`, "server x 127.0.0.1:80 check port +8500",
		"http-check connect addr 127.0.0.1 port int(8500)", "tcp-check connect port str(8500)", "tcp-check connect port var(check.port)",
		// A port of 0 is none.
		"server x 127.0.0.1:0", "server x ::1:65536", "server x 192.0.2.9:8500 check addr 127.0.0.1 port 0", "server x 127.0.0.1:00 check port 80",
		"log 127.0.0.1:8301 local0", "log tcp@127.0.0.1:8500 format raw local0", "log stream+ipv4@[::ffff:127.0.0.1]:8500 local0", "log localhost:8600 len 80 local0",
		"default log tcp@127.0.0.1:8500 local0", "log udp@192.0.2.7:8301 sample 1:2 local0",
	}
	for _, line := range refused {
		b := lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{"option httplog", lb.RawLine(line)}}
		var invalid *lb.InvalidError
		if err := c.CheckBackend(b); !errors.As(err, &invalid) || invalid.Fields[0].Path != "natives[1]" || invalid.Fields[0].Expected == "" {
			t.Errorf("%s gives %v", line, err)
		}
	}
	for _, line := range []string{
		"server x 127.0.0.1:8080 check", "server x 192.0.2.9:10000 check", "server x [2001:db8::9]:8500", "server x app.example:443 ssl verify none", "server x app.example",
		"server x 0.0.0.0", "server x *", "server x abns@app", "server x unix@/run/app.sock", "server x /run/app.sock", "server x rhttp@",
		`server x "$APP:8080"`, "# server x 127.0.0.1:10000", "server x 127.0.0.1:8080 # 127.0.0.1:10000", "option httpchk GET /10000", "timeout server 10000",
		"default-server check port 9000 addr 127.0.0.1", "default-server inter 8500", "http-check connect port 9000", "http-check expect status 200",
		"server x 192.0.2.9:10000 check port 10000", "server x 192.0.2.9:80 check addr 192.0.2.10 port 8500", "use-server x if TRUE", "dispatch 192.0.2.9:10000", "stick-table type ip size 8500", "server", "server x",
		"server x 127.0.0.1:80 check port 81 port 82", "http-check connect addr 192.0.2.9 port int(8500)", "server x 192.0.2.9:80 check cookie port",
		"log global", "log 127.0.0.1 local0", "log 127.0.0.1:514 len 10000 local0", "log /dev/log local0", "log stdout format raw local0", "log ring@x local0", "log backend@x local0",
		"server x 192.0.2.9:0", "server x 127.0.0.1:80 check port 0", "log 192.0.2.9:8500 local0", "log ::1 local0", `log "$LOG:514" local0`, `log "$LOG" local0`, "no log", "log",
	} {
		b := lb.Backend{Key: "b", Type: "static", Natives: []lb.RawLine{lb.RawLine(line)}}
		if err := c.CheckBackend(b); err != nil {
			t.Errorf("%s is refused: %v", line, err)
		}
	}
	twoLines := lb.Backend{Natives: []lb.RawLine{"default-server check addr 127.0.0.1 port 9000", "server x 192.0.2.9:80 port 10000"}}
	if c.CheckBackend(twoLines) == nil {
		t.Error("a check's address of one line and its port of another lead to the API")
	}
}

// TestControlJudgesFrontends: a frontend's log lines open connections as well.
func TestControlJudgesFrontends(t *testing.T) {
	t.Parallel()
	c := control()
	f := lb.Frontend{Key: "web", Natives: []lb.RawLine{"option httplog", "log tcp@127.0.0.1:8500 format raw local0"}}
	var invalid *lb.InvalidError
	if err := c.CheckFrontend(f); !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Path != "natives[1]" || !strings.Contains(invalid.Fields[0].Problem, "Consul") {
		t.Errorf("a log of Consul's gives %v", err)
	}
	before := lb.Config{Frontends: []lb.Frontend{{Key: "other"}, f}}
	after, left := c.Strip(before)
	if n := after.Frontends[1].Natives; len(n) != 1 || n[0] != "option httplog" || len(before.Frontends[1].Natives) != 2 {
		t.Errorf("left %q of %q", n, before.Frontends[1].Natives)
	}
	if len(left) != 1 || !strings.HasPrefix(left[0].String(), "frontend/web: log tcp@127.0.0.1:8500 format raw local0 is left out: ") {
		t.Errorf("left out %v", left)
	}
	if err := c.CheckFrontend(after.Frontends[1]); err != nil {
		t.Error(err)
	}
	var none *lb.Control
	if err := none.CheckFrontend(f); err != nil {
		t.Error(err)
	}
}

func TestControlMarksInstances(t *testing.T) {
	t.Parallel()
	c := control()
	s := lb.Service{Name: "shop", Instances: []lb.Instance{
		{ID: "good", Address: lb.HostPort{Host: "192.0.2.50", Port: 80}, Version: "1", Healthy: true},
		{ID: "bad", Address: lb.HostPort{Host: "127.0.0.1", Port: 10000}, Version: "2", Healthy: true, Weight: 1},
	}}
	marked := c.Mark(s)
	if !s.Instances[1].Healthy || s.Instances[1].Refused != "" {
		t.Error("the instances given have changed")
	}
	if marked.Instances[1].Healthy || !strings.Contains(marked.Instances[1].Refused, "the agent's API") || !marked.Instances[0].Healthy {
		t.Errorf("marked %+v", marked.Instances)
	}
	if got := marked.Missing(lb.Split{{Version: "2", Weight: 100}}); len(got) != 1 {
		t.Errorf("missing versions %v", got)
	}
	if p := lb.Populate(lb.Backend{Type: "dynamic", Service: "shop", Version: "2"}, lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": marked}}); len(p.Members) > 0 {
		t.Errorf("members %v", p.Members)
	}
	clean := lb.Service{Instances: s.Instances[:1]}
	if !c.Mark(clean).SameAnswer(clean) {
		t.Error("a service without refused instances is another one")
	}
}

func TestControlStrips(t *testing.T) {
	t.Parallel()
	c := control()
	before := lb.Config{Backends: []lb.ResolvedBackend{
		{Backend: lb.Backend{Key: "a"}, Members: []lb.Member{{Address: lb.HostPort{Host: "192.0.2.50", Port: 80}}}},
		{
			Backend: lb.Backend{Key: "b", Natives: []lb.RawLine{
				"use-server x if TRUE", "server x 127.0.0.1:10000 check", "server-template w 3 127.0.0.1:8500", `server "a b" 127.0.0.1:10000`, "dispatch 127.0.0.1:10000", "option httplog",
			}},
			Members: []lb.Member{{Address: lb.HostPort{Host: "127.0.0.1", Port: 8500}}, {Address: lb.HostPort{Host: "192.0.2.51", Port: 80}}},
		},
	}}
	after, left := c.Strip(before)
	want := []lb.RawLine{"use-server x if TRUE", "server x 127.0.0.1:1 disabled", "server-template w 3 127.0.0.1:1 disabled", "option httplog"}
	if b := after.Backends[1]; !slices.Equal(b.Natives, want) || len(b.Members) != 1 || b.Members[0].Address.Host != "192.0.2.51" {
		t.Errorf("left %q and %v", b.Natives, b.Members)
	}
	if len(left) != 5 || !strings.Contains(left[0].String(), "backend/b: 127.0.0.1:8500 is left out: ") {
		t.Errorf("left out %v", left)
	}
	if len(before.Backends[1].Members) != 2 || len(before.Backends[1].Natives) != 6 {
		t.Error("the configuration given has changed")
	}
	again, left := c.Strip(after)
	if len(left) > 0 || !slices.Equal(again.Backends[1].Natives, want) {
		t.Errorf("a second time leaves out %v", left)
	}
}

// FuzzControl writes each local address in any way that is read as that address,
// and demands that no control port is allowed there; and that a raw line is judged
// as the member of the same address.
func FuzzControl(f *testing.F) {
	for _, s := range localSpellings() {
		f.Add(s, uint16(10000))
	}
	for _, s := range []string{"192.0.2.50", "a.example", "127.0.0.1:8500@", "::ffff:0:127.0.0.1", "1", "fe80::7"} {
		f.Add(s, uint16(8500))
	}
	c := control()
	f.Fuzz(func(t *testing.T, text string, port uint16) {
		host, err := lb.ParseHost(text)
		if err != nil || port == 0 {
			return
		}
		isControl := slices.ContainsFunc(c.Ports, func(p lb.ControlPort) bool { return p.Port == port })
		address := lb.HostPort{Host: host, Port: port}
		parsed, notIP := netip.ParseAddr(text)
		local := notIP != nil && !host.IsIP() || c.IsLocal(parsed) || host.IsIP() && c.IsLocal(netip.MustParseAddr(string(host)))
		if refused := c.Refusal(address) != ""; refused != (isControl && local) {
			t.Errorf("%s refused: %v, a control port: %v, of this node or a name: %v", address, refused, isControl, local)
		}
		line := lb.Backend{Natives: []lb.RawLine{lb.RawLine("server x " + address.String())}}
		if refused := c.CheckBackend(line) != nil; refused != (c.Refusal(address) != "") {
			t.Errorf("the raw line of %s is refused: %v", address, refused)
		}
	})
}
