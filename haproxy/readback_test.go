package haproxy_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/statsock"
)

// encrypted is a web server that speaks TLS alone, and the file of its authority.
func encrypted(tb testing.TB, name string) (address lb.HostPort, authority string) {
	tb.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of checks in clear text
	server.StartTLS()
	tb.Cleanup(server.Close)
	authority = filepath.Join(tb.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		tb.Fatal(err)
	}
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		tb.Fatal(err)
	}
	return lb.HostPort{Host: "127.0.0.1", Port: uint16(number)}, authority
}

// rows are how a HAProxy has its servers, health and the time aside: what was asked
// for of each.
func rows(tb testing.TB, socket string) []string {
	tb.Helper()
	var answer string
	testkit.Eventually(tb, patience, func() (err error) {
		answer, err = statsock.New(socket).Do(tb.Context(), "show servers state")
		return err
	})
	lines := strings.Split(strings.TrimSpace(answer), "\n")
	names := strings.Fields(strings.TrimPrefix(lines[1], "# "))
	var out []string
	for _, line := range lines[2:] {
		var row strings.Builder
		fields := strings.Fields(line)
		value := func(name string) string { return fields[slices.Index(names, name)] }
		admin, err := strconv.Atoi(value("srv_admin_state"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range []string{
			"be_name", "srv_name", "srv_addr", "srv_port", "srv_uweight", "srv_fqdn", "srv_use_ssl",
			"srv_check_port", "srv_check_addr", "srv_agent_addr", "srv_agent_port", "srvrecord",
		} {
			v := value(name)
			// A spare slot keeps the address of its last member.
			if (name == "srv_addr" || name == "srv_port") && admin&1 != 0 && lb.SlotIndex(value("srv_name")) >= 0 {
				v = "spare"
			}
			if name == "srv_use_ssl" && v == "-1" {
				v = "0" // "no-ssl", which an added line leaves out
			}
			fmt.Fprintf(&row, "%s=%s ", strings.TrimPrefix(name, "srv_"), v)
		}
		for _, name := range []string{"srv_check_state", "srv_agent_state"} {
			state, err := strconv.Atoi(value(name))
			if err != nil {
				tb.Fatal(err)
			}
			fmt.Fprintf(&row, "%s=%d ", strings.TrimPrefix(name, "srv_"), state&6) // configured, enabled
		}
		out = append(out, fmt.Sprintf("%sadmin=%d", row.String(), admin&9)) // maintenance, drain
	}
	slices.Sort(out)
	return out
}

// fresh are the rows of a HAProxy that is started with the file on disk, at other
// addresses, and knows of no state.
func (fx *fixture) fresh() []string {
	fx.t.Helper()
	dir := testkit.SocketDir(fx.t)
	config := strings.ReplaceAll(fx.file(fx.cfg.ConfigPath), fx.dir+"/", dir+"/")
	config = strings.ReplaceAll(config, "bind "+fx.address(), "bind unix@"+filepath.Join(dir, "web"))
	config = strings.ReplaceAll(config, "server-state-file", "# server-state-file")
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		fx.t.Fatal(err)
	}
	cmd := exec.Command(fx.cfg.Binary, "-db", "-f", path)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		fx.t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	socket := filepath.Join(dir, filepath.Base(fx.cfg.StatsSocket))
	testkit.Eventually(fx.t, patience, func() error {
		if !alive(cmd.Process.Pid) {
			fx.t.Fatalf("the second HAProxy has ended: %s", words.String())
		}
		_, err := statsock.New(socket).ShowInfo(fx.t.Context())
		return err
	})
	return rows(fx.t, socket)
}

// asFresh checks that the servers are what a fresh start from the same file makes.
func (fx *fixture) asFresh(when string) {
	fx.t.Helper()
	want := fx.fresh()
	testkit.Eventually(fx.t, 5*time.Second, func() error { // a former worker may answer once more
		got := rows(fx.t, fx.cfg.StatsSocket)
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				return fmt.Errorf("%s: HAProxy has\n%s, a fresh start makes\n%s, with\n%s", when, got[i], want[i], fx.file(fx.cfg.ConfigPath))
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("%s: HAProxy has %d servers, a fresh start makes %d", when, len(got), len(want))
		}
		return nil
	})
}

// A variant is a configuration of one backend: raw lines in it, and what an
// administrator's template makes of the rest.
type variant struct {
	natives []lb.RawLine
	edits   []string // pairs: what is replaced by what in the rendering
	weights []int    // of the members, 1 where there is none
}

// apply makes HAProxy run a pool in a variant.
func (s *slotFixture) apply(p lb.ResolvedBackend, v variant) error {
	s.t.Helper()
	p.Natives, p.Members = v.natives, slices.Clone(p.Members)
	for i, weight := range v.weights {
		p.Members[i].Weight = weight
	}
	next, _ := s.next(p)
	rendered := s.render(next)
	fingerprint := rendered.Fingerprint
	config := string(rendered.Bytes)
	if len(v.edits) > 0 {
		config = strings.NewReplacer(v.edits...).Replace(config)
		fingerprint += fmt.Sprintf("%x", len(config))
		config = strings.Replace(config, rendered.Fingerprint, fingerprint, 1)
	}
	_, err := s.Apply(s.t.Context(), []byte(config), fingerprint)
	if err == nil {
		s.running = next
	}
	return err
}

// An optionCase is a backend before and after a change of its servers' options.
type optionCase struct {
	member        func(testing.TB) (lb.HostPort, string) // and a file that ca in the variants stands for
	before, after variant
	down          bool // servers are down before the change
	fails         bool // requests fail after it
}

func plain(tb testing.TB) (lb.HostPort, string) {
	tb.Helper()
	return well(tb, "served"), ""
}

func secure(tb testing.TB) (lb.HostPort, string) {
	tb.Helper()
	return encrypted(tb, "served")
}

func lines(natives ...lb.RawLine) variant { return variant{natives: natives} }

// defaultServer is a default-server line in the section of defaults.
func defaultServer(options string) variant {
	return variant{edits: []string{"    option dontlognull\n", "    option dontlognull\n    default-server " + options + "\n"}}
}

// perServer has other options in each server line.
func perServer(options string) variant {
	return variant{edits: []string{" check inter", " " + options + " inter"}}
}

func optionCases() map[string]optionCase {
	return map[string]optionCase{
		"tls added":             {secure, lines(), lines("default-server ssl verify none"), false, false},
		"tls added in defaults": {secure, variant{}, defaultServer("ssl verify none"), false, false},
		"tls added in a server": {secure, variant{}, perServer("check ssl verify none"), false, false},
		"tls with an authority": {secure, lines(), lines("default-server ssl verify required ca-file CA verifyhost example.com"), false, false},
		"tls where none is":     {plain, lines(), lines("default-server ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt"), false, true},
		"tls removed":           {plain, lines("default-server ssl verify none"), lines(), false, false},
		"tls negated":           {plain, lines("default-server ssl verify none"), lines("default-server ssl verify none no-ssl"), false, false},
		"tls check removed":     {plain, lines("default-server check-ssl verify none"), lines(), true, false},
		"tls authority changed": {secure, lines("default-server ssl verify required ca-file /etc/ssl/certs/ca-certificates.crt"), lines("default-server ssl verify none"), true, false},
		"port corrected":        {plain, lines("default-server port 1"), lines("default-server port PORT"), true, false},
		"port removed":          {plain, lines("default-server port 1"), lines(), true, false},
		"port in defaults":      {plain, defaultServer("port 1"), defaultServer("port PORT"), true, false},
		"port of defaults gone": {plain, defaultServer("port 1"), variant{}, true, false},
		"port in a server":      {plain, perServer("check port 1"), perServer("check"), true, false},
		"address removed":       {plain, lines("default-server addr 127.0.0.9"), lines(), true, false},
		"address corrected":     {plain, lines("default-server addr 127.0.0.9"), lines("default-server addr 127.0.0.1"), true, false},
		"address in a server":   {plain, perServer("check addr 127.0.0.9 port 1"), perServer("check addr 127.0.0.1 port PORT"), true, false},
		"agent moved":           {plain, lines("default-server agent-check agent-port 1 agent-addr 127.0.0.9"), lines("default-server agent-check agent-port 2 agent-addr 127.0.0.8"), false, false},
		"agent port alone":      {plain, lines("default-server agent-check agent-port 1"), lines("default-server agent-check agent-port 2"), false, false},
		"agent removed":         {plain, lines("default-server agent-check agent-port 1 agent-addr 127.0.0.9"), lines(), false, false},
		"agent added":           {plain, lines(), lines("default-server agent-check agent-port 1"), false, false},
		"check removed":         {plain, perServer("check port 1"), perServer(""), true, false},
		"check added":           {plain, perServer(""), perServer("check port PORT"), false, false},
		"proxy protocol added":  {plain, lines(), lines("default-server send-proxy"), false, true},
		"proxy protocol gone":   {plain, lines("default-server send-proxy"), lines(), false, false},
		"http check corrected":  {plain, lines("option httpchk OPTIONS *", "http-check expect status 418"), lines("option httpchk"), true, false},
		"http check removed":    {plain, lines("option httpchk GET /", "http-check expect status 418"), lines(), true, false},
		"tcp check removed":     {plain, lines("option tcp-check", "tcp-check connect port 1"), lines(), true, false},
		"disabled by default":   {plain, lines(), lines("default-server disabled"), false, true},
		"enabled again":         {plain, lines("default-server disabled"), lines(), true, false},
		"weights":               {plain, variant{}, variant{weights: []int{0, 7}}, false, false},
		"weights back":          {plain, variant{weights: []int{0, 7}}, variant{weights: []int{3, 1}}, false, false},
		"weight by default":     {plain, defaultServer("weight 9"), perServer("check weight 3"), false, false},
	}
}

// TestOptionsOfServersTakeEffect: whatever a server was before, an applied
// configuration is what HAProxy does. One HAProxy goes through all cases.
func TestOptionsOfServersTakeEffect(t *testing.T) {
	for _, kind := range []string{"static", "dynamic"} {
		t.Run(kind, func(t *testing.T) {
			each(t, func(fx *fixture) {
				s := &slotFixture{fixture: fx}
				for name, c := range optionCases() {
					s.change(name, kind, c)
				}
			})
		})
	}
}

// change goes from one variant to another.
func (s *slotFixture) change(name, kind string, c optionCase) {
	address, authority := c.member(s.t)
	r := strings.NewReplacer("PORT", strconv.Itoa(int(address.Port)), "CA", authority)
	before, after := c.before.replaced(r), c.after.replaced(r)
	p := pool("live", address)
	p.Type = kind
	if len(before.weights)+len(after.weights) > 0 {
		p.Members = append(p.Members, lb.Member{Address: well(s.t, "served"), Weight: 1})
	}
	if s.running.Backends == nil {
		s.running = s.configOf(p)
	}
	if err := s.apply(p, before); err != nil {
		s.t.Fatalf("%s: before: %v", name, err)
	}
	if c.down {
		testkit.Eventually(s.t, patience, func() error {
			if s.servers()[0].Up {
				return errors.New(name + ": it is up")
			}
			return nil
		})
	}
	if err := s.apply(p, after); err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	s.asFresh(name)
	s.serves(name, !c.fails)
}

// replaced has the words of this test replaced.
func (v variant) replaced(r *strings.Replacer) variant {
	v.natives, v.edits = slices.Clone(v.natives), slices.Clone(v.edits)
	for i := range v.natives {
		v.natives[i] = lb.RawLine(r.Replace(string(v.natives[i])))
	}
	for i := range v.edits {
		v.edits[i] = r.Replace(v.edits[i])
	}
	return v
}

// serves checks that requests are answered, soon, or are not.
func (s *slotFixture) serves(name string, well bool) {
	s.t.Helper()
	testkit.Eventually(s.t, 5*time.Second, func() error {
		body, err := s.get()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if strings.TrimSpace(body) == "served" != well {
			return errors.New(name + ": " + body)
		}
		return nil
	})
}

// TestWhatAnotherStateFileOverridesIsRefused: a server that has something else than its
// file says, whyever, is not in effect, and the answer says what it has.
func TestWhatAnotherStateFileOverridesIsRefused(t *testing.T) {
	each(t, func(fx *fixture) {
		a := well(fx.t, "a")
		s := fx.raise(pool("live", a))
		answer, err := statsock.New(fx.cfg.StatsSocket).Do(t.Context(), "show servers state live")
		if err != nil {
			fx.t.Fatal(err)
		}
		stale := filepath.Join(fx.dir, "stale")
		if err := os.WriteFile(stale, []byte(strings.Replace(answer, "- 0 0 - - 0\n", "- 0 1 - - 0\n", 1)), 0o600); err != nil {
			fx.t.Fatal(err)
		}
		next := pool("live", a)
		next.Natives = []lb.RawLine{"load-server-state-from-file local", lb.RawLine("server-state-file-name " + stale)}
		wanted, _ := s.next(next)
		rendered := s.render(wanted)
		_, err = fx.Apply(t.Context(), rendered.Bytes, rendered.Fingerprint)
		refused, ok := errors.AsType[*lb.RefusedError](err)
		if !ok || refused.At != "start" || !strings.Contains(refused.Output, "server live/s1 has check port 1, expected 0") {
			fx.t.Errorf("got %v", err)
		}
		if got := fx.file(fx.cfg.ConfigPath); got != string(s.render(s.running).Bytes) {
			fx.t.Errorf("the file on disk is\n%s", got)
		}
		fx.asFresh("refused")
		if got := fx.answered(); got["a"] != 20 {
			fx.t.Errorf("%v answered", got)
		}
	})
}

// TestDeviationsAreTold of servers whose settings somebody has changed by hand, also by
// an agent that has not started the worker.
func TestDeviationsAreTold(t *testing.T) {
	each(t, func(fx *fixture) {
		a := well(fx.t, "a")
		fixed := lb.ResolvedBackend{Backend: lb.Backend{Key: "pinned", Type: "static", Mode: "http", Balance: "roundrobin"}, Members: []lb.Member{{Address: a, Weight: 1}}}
		s := fx.raise(pool("live", a), fixed)
		name := fixed.Members[0].ServerName()
		client := statsock.New(fx.cfg.StatsSocket)
		for _, command := range []string{
			"set server live/s1 check-port 9", "set server live/s2 addr 127.0.0.9 port 9", "set server pinned/" + name + " addr 127.0.0.9 port 9",
			"set server pinned/" + name + " weight 7",
		} {
			if _, err := client.Do(t.Context(), command); err != nil {
				fx.t.Fatal(err)
			}
		}
		want := "live/s1 has check port 9, expected 0; pinned/" + name + " has address 127.0.0.9:9, expected " + a.String()
		other := fx.another(nil)
		if _, err := other.State(t.Context()); err != nil {
			fx.t.Fatal(err)
		}
		for _, p := range []*haproxy.Process{fx.Process, other} {
			testkit.Eventually(fx.t, patience, func() error { // since 3.0 an address is there a moment later
				servers, err := p.Servers(t.Context())
				var found []string
				for _, server := range servers {
					if server.Deviation != "" {
						found = append(found, string(server.Backend)+"/"+server.Server+" "+server.Deviation)
					}
				}
				if got := strings.Join(found, "; "); got != want {
					return fmt.Errorf("got %s, %w", got, err)
				}
				return nil
			})
		}
		if _, err := fx.Apply(t.Context(), s.render(s.running).Bytes, ""); err != nil {
			fx.t.Fatal(err)
		}
		for _, server := range s.servers() {
			if server.Deviation != "" {
				fx.t.Errorf("after another worker: %+v", server)
			}
		}
	})
}
