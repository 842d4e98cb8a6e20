package control_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"thalassa/control"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

func config() control.Config {
	stats := lb.Bind{Host: "127.0.0.1", Port: 1988}
	return control.Config{
		API: netip.MustParseAddrPort("127.0.0.1:10000"), Stats: &stats,
		Sockets: []string{"/run/thalassa/../thalassa/haproxy.sock", ""}, Consul: "127.0.0.1:8499",
	}
}

func refuses(c *lb.Control, host string, port uint16) bool {
	return c.Refusal(lb.HostPort{Host: lb.Host(host), Port: port}) != ""
}

func TestEveryAddressOfThisMachine(t *testing.T) {
	t.Parallel()
	c := control.New(config()).Control()
	out, err := exec.Command("ip", "-brief", "address").Output()
	if err != nil {
		testkit.Missing(t, "ip does not list addresses")
	}
	found := 0
	for _, text := range slices.Collect(fields(string(out))) {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		found++
		for _, port := range []uint16{10000, 1988, 8499, 8500, 8501, 8502, 8503, 8300, 8301, 8302, 8600} {
			if !refuses(c, p.Addr().String(), port) {
				t.Errorf("%s is allowed at port %d", p.Addr(), port)
			}
		}
		if refuses(c, p.Addr().String(), 80) {
			t.Errorf("%s is refused at port 80", p.Addr())
		}
	}
	if found == 0 {
		t.Fatalf("no address in %s", out)
	}
	if !slices.Equal(c.Sockets, []string{"/run/thalassa/haproxy.sock"}) {
		t.Errorf("sockets %q", c.Sockets)
	}
}

func fields(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		word := ""
		for _, r := range s + " " {
			if r != ' ' && r != '\n' && r != '\t' {
				word += string(r)
				continue
			}
			if word != "" && !yield(word) {
				return
			}
			word = ""
		}
	}
}

func TestConsulElsewhere(t *testing.T) {
	t.Parallel()
	for address, here := range map[string]bool{
		"": true, "127.0.0.1:8500": true, "localhost:8500": true, "https://consul.example:8501": true, "unix:///run/consul.sock": true,
		"http://[::1]:8500/consul": true, "192.0.2.200:8500": false, "https://192.0.2.200": false, "[2001:db8::200]:8500": false,
	} {
		cfg := config()
		cfg.Consul = address
		c := control.New(cfg).Control()
		if refuses(c, "127.0.0.1", 8500) != here || refuses(c, "192.0.2.200", 8500) || !refuses(c, "127.0.0.1", 10000) {
			t.Errorf("with Consul at %q the ports are %v", address, c.Ports)
		}
	}
	cfg := config()
	cfg.Consul = "https://127.0.0.1"
	if !refuses(control.New(cfg).Control(), "127.0.0.1", 443) {
		t.Error("the port of a scheme is allowed")
	}
}

// run runs w until the test ends.
func run(t *testing.T, w *control.Watcher) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestConsulTellsItsPorts(t *testing.T) {
	t.Parallel()
	cfg, calls := config(), 0
	cfg.ConsulPorts = func(context.Context) ([]uint16, error) {
		if calls++; calls == 1 {
			return []uint16{7777}, nil
		}
		return nil, errors.New("away")
	}
	w := control.New(cfg)
	<-w.Changed()
	before := w.Control()
	run(t, w)
	select {
	case <-w.Changed():
	case <-time.After(patience):
		t.Fatal("nothing has changed")
	}
	if c := w.Control(); c == before || !refuses(c, "127.0.0.1", 7777) || refuses(before, "127.0.0.1", 7777) {
		t.Errorf("ports %v", c.Ports)
	}
}

// TestFloatingIPArrives moves addresses onto a node in a network of its own.
func TestFloatingIPArrives(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "a network namespace needs root")
	}
	testkit.Tool(t, "ip")
	cmd := exec.Command(testkit.Tool(t, "unshare"), "--net", "/proc/self/exe")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[2] = self
	cmd.Env = append(os.Environ(), "CONTROL_TEST_FOLLOW=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// followAddresses adds addresses and a route to this network, takes one away, and
// expects a Watcher to follow well before it looks by itself.
func followAddresses() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w := control.New(config())
	<-w.Changed()
	if refuses(w.Control(), "192.0.2.100", 10000) {
		return errors.New("an address that the node does not have is refused")
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	for _, step := range []struct {
		ip, host string
		refused  bool
	}{
		{"link set lo up", "127.0.0.1", true},
		{"address add 192.0.2.100/32 dev lo", "192.0.2.100", true},
		{"address add 2001:db8::100/128 dev lo nodad", "2001:db8::100", true},
		{"route add local 198.51.100.0/24 dev lo", "198.51.100.7", true},
		{"address del 192.0.2.100/32 dev lo", "192.0.2.100", false},
	} {
		if out, err := exec.Command("ip", slices.Collect(fields(step.ip))...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", step.ip, err, out)
		}
		limit := time.After(5 * time.Second) // it looks by itself every ten
		for refuses(w.Control(), step.host, 10000) != step.refused {
			select {
			case <-w.Changed():
			case <-limit:
				return fmt.Errorf("after ip %s: %s refused: %v", step.ip, step.host, !step.refused)
			}
		}
	}
	cancel()
	return <-done
}
