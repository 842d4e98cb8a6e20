package haproxy_test

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// A slowcoach is a stats socket with one spare server whose address takes effect
// only when it has been looked at some times, as it may with HAProxy 3.0.
type slowcoach struct {
	looks int // still to come
	// replaced is the connection from which on another worker answers, which has
	// the former address; 0: none.
	replaced int

	mu      sync.Mutex
	heard   []string
	address string
	ready   bool
}

// listen answers until the end of the test.
func (s *slowcoach) listen(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			if n == s.replaced {
				s.mu.Lock()
				s.address = ""
				s.mu.Unlock()
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			for command := range strings.SplitSeq(strings.TrimSpace(line), ";") {
				_, _ = fmt.Fprintf(conn, "%s\n", s.answer(command))
			}
			_ = conn.Close()
		}
	}()
}

func (s *slowcoach) answer(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, line)
	address, admin := "127.0.0.1", 5
	if s.address != "" && s.looks <= 0 {
		address = s.address
	}
	switch word := strings.Fields(line); {
	case strings.HasPrefix(line, "show servers conn"):
		return "# bkname/svname addr port used_cur\nlive/s1 127.0.0.1 80 0\n"
	case strings.HasPrefix(line, "show servers state"):
		s.looks--
		if s.ready {
			admin = 4
		}
		return fmt.Sprintf("1\n# be_name srv_name srv_addr srv_port srv_uweight srv_admin_state srv_op_state\nlive s1 %s 80 1 %d 2\n", address, admin)
	case word[3] == "addr":
		s.address = word[4]
		return "IP changed\n"
	default:
		s.ready = true
		return ""
	}
}

func (s *slowcoach) adjust(t *testing.T) (heard []string, err error) {
	t.Helper()
	dir := testkit.SocketDir(t)
	s.listen(t, filepath.Join(dir, "stats"))
	p := haproxy.New(paths(dir))
	to := lb.HostPort{Host: "10.0.0.1", Port: 80}
	err = p.Adjust(t.Context(), []lb.ServerOp{{Backend: "live", Server: "s1", Address: &to, Unused: true, Ready: true}})
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(s.heard), err
}

// TestAddressThatTakesItsTime: the server is put to use only when it has the
// address.
func TestAddressThatTakesItsTime(t *testing.T) {
	for looks := range 4 {
		heard, err := (&slowcoach{looks: looks}).adjust(t)
		if want := steps(); err != nil || !slices.Equal(heard, want) {
			t.Errorf("after %d looks: %v, %q", looks, err, heard)
		}
	}
}

// steps are what a server hears that is put to use with another address.
func steps() []string {
	const address = "set server live/s1 addr 10.0.0.1 port 80"
	return []string{"show servers conn live", address, "show servers state live", address, "set server live/s1 state ready", "show servers state live"}
}

// Somebody may reload HAProxy between two questions, and the worker that answers
// from then on know nothing of what the former was told.
func TestWorkerThatIsReplacedMeanwhile(t *testing.T) {
	for _, connection := range []int{2, 3} {
		heard, err := (&slowcoach{replaced: connection}).adjust(t)
		if err != nil || !slices.Equal(heard, steps()) {
			t.Errorf("replaced at connection %d: %v, %q", connection, err, heard)
		}
	}
}

func TestAddressThatNeverTakesEffect(t *testing.T) {
	heard, err := (&slowcoach{looks: 1 << 30}).adjust(t)
	if err == nil || !strings.Contains(err.Error(), `live/s1 has the address 127.0.0.1:80, expected 10.0.0.1:80; haproxy said "IP changed"`) {
		t.Errorf("got %v", err)
	}
	if slices.ContainsFunc(heard, func(line string) bool { return strings.Contains(line, "state ready") }) {
		t.Errorf("put to use with the wrong address: %q", heard)
	}
}
