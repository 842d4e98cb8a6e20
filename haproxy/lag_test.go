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

// A slowcoach is a worker with one spare server whose address takes effect only when
// it has been looked at some times, as it may with HAProxy 3.0.
type slowcoach struct {
	looks    int // still to come
	stopping bool

	mu      sync.Mutex
	heard   []string
	address string
	ready   bool
}

// listen has workers answer on a stats socket until the end of the test: each takes
// one connection, and the last of them all that follow.
func listen(t *testing.T, path string, workers ...*slowcoach) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			go workers[min(n, len(workers)-1)].converse(conn)
		}
	}()
}

func (s *slowcoach) converse(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		for command := range strings.SplitSeq(lines.Text(), ";") {
			_, _ = fmt.Fprintf(conn, "%s\n> ", s.answer(command))
		}
	}
	_ = conn.Close()
}

func (s *slowcoach) answer(line string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	address, admin := "127.0.0.1", 5
	if s.address != "" && s.looks <= 0 {
		address = s.address
	}
	if line != "prompt" && line != "show info" {
		s.heard = append(s.heard, line)
	}
	switch word := strings.Fields(line); {
	case line == "prompt":
		return ""
	case line == "show info":
		stopping := 0
		if s.stopping {
			stopping = 1
		}
		return fmt.Sprintf("Pid: 1\nStopping: %d\n", stopping)
	case strings.HasPrefix(line, "show servers conn"):
		return fmt.Sprintf("# bkname/svname addr port used_cur\nlive/s1 %s 80 0\n", address)
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

// asked is what the worker heard, without repetitions.
func (s *slowcoach) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Compact(slices.Clone(s.heard))
}

// adjust puts the server to use with another address.
func adjust(t *testing.T, workers ...*slowcoach) error {
	t.Helper()
	dir := testkit.SocketDir(t)
	listen(t, filepath.Join(dir, "stats"), workers...)
	to := lb.HostPort{Host: "10.0.0.1", Port: 80}
	return haproxy.New(paths(dir)).CarryOut(t.Context(), lb.ServerOp{Backend: "live", Server: "s1", Address: &to, Unused: true, Ready: true})
}

// TestAddressThatTakesItsTime: the server is put to use only when it has the
// address.
func TestAddressThatTakesItsTime(t *testing.T) {
	for looks := range 4 {
		worker := &slowcoach{looks: looks}
		err := adjust(t, worker)
		if want := slices.Concat(steps(), look()); err != nil || !slices.Equal(worker.asked(), want) {
			t.Errorf("after %d looks: %v, %q", looks, err, worker.asked())
		}
	}
}

// look is what a worker hears whose servers are read.
func look() []string { return []string{"show servers state live"} }

// steps are what it hears when the server is put to use with another address.
func steps() []string {
	return append(look(), "show servers conn live", "set server live/s1 addr 10.0.0.1 port 80", "show servers state live", "set server live/s1 state ready")
}

// Somebody may reload HAProxy at any moment, and the worker that answers from then on
// know nothing of what the former was told. It is askedits state before anything
// is done to it.
func TestWorkerThatIsReplacedMeanwhile(t *testing.T) {
	former, next, last := &slowcoach{}, &slowcoach{}, &slowcoach{}
	err := adjust(t, former, next, last)
	if err != nil || !slices.Equal(former.asked(), steps()) || !slices.Equal(next.asked(), steps()) || !slices.Equal(last.asked(), slices.Concat(steps(), look())) {
		t.Errorf("%v; heard were %q, %q, %q", err, former.asked(), next.asked(), last.asked())
	}
}

// A worker that is stopping may have taken the connection when it did not know yet: it
// refuses changes, andits state matters to nobody.
func TestWorkerThatIsStopping(t *testing.T) {
	stopping, next := &slowcoach{stopping: true, address: "10.0.0.1", ready: true}, &slowcoach{}
	err := adjust(t, stopping, next)
	if err != nil || !slices.Equal(stopping.asked(), look()) || !slices.Equal(next.asked(), slices.Concat(steps(), look())) {
		t.Errorf("%v; heard were %q, %q", err, stopping.asked(), next.asked())
	}
	if err := adjust(t, stopping); err == nil || !strings.Contains(err.Error(), "is stopping") {
		t.Errorf("got %v", err)
	}
}

func TestWorkerThatIsReplacedAllTheTime(t *testing.T) {
	workers := make([]*slowcoach, 100)
	for i := range workers {
		workers[i] = &slowcoach{}
	}
	if err := adjust(t, workers...); err == nil || !strings.Contains(err.Error(), "live/s1 has the address 127.0.0.1:80, expected 10.0.0.1:80") {
		t.Errorf("got %v", err)
	}
}

func TestAddressThatNeverTakesEffect(t *testing.T) {
	worker := &slowcoach{looks: 1 << 30}
	err := adjust(t, worker)
	if err == nil || !strings.Contains(err.Error(), `live/s1 has the address 127.0.0.1:80, expected 10.0.0.1:80; haproxy said "IP changed"`) {
		t.Errorf("got %v", err)
	}
	if heard := worker.asked(); slices.ContainsFunc(heard, func(line string) bool { return strings.Contains(line, "state ready") }) {
		t.Errorf("put to use with the wrong address: %q", heard)
	}
}
