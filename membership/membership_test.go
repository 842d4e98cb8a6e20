package membership_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/bootstrap"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/membership"
)

// serve answers each connection to a socket as thalassa-membership does, and reports its errors.
func serve(t *testing.T, caller string, work membership.Work) (path string, errs <-chan error) {
	t.Helper()
	path = filepath.Join(testkit.SocketDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ends := make(chan error, 64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { ends <- membership.Serve(context.Background(), conn, caller, work) }()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return path, ends
}

// exchange sends a text, and returns the last line of the answer.
func exchange(t *testing.T, path, text string) map[string]any {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text) // it may be refused before all of it is read
	_ = conn.(*net.UnixConn).CloseWrite()
	data, _ := io.ReadAll(conn)
	out := map[string]any{}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if json.Unmarshal([]byte(lines[len(lines)-1]), &out) != nil {
		t.Fatalf("%.60q: %.200q is not JSON", text, data)
	}
	return out
}

func never(t *testing.T) membership.Work {
	t.Helper()
	return func(_ context.Context, q membership.Question, _ func(membership.Event)) error {
		t.Errorf("carried out: %+v", q)
		return nil
	}
}

// What is no question gets an answer that names what is wrong, and nothing is done.
func TestHostileQuestions(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	path, _ := serve(t, "nobody", never(t))
	for text, words := range map[string]string{
		`{"verb":"explode"}` + "\n":                        "check, invite, join, sync, leave or forget",
		`{"verb":"leave","force":true}` + "\n":             "force",
		`{"verb":"leave","node":"n1"}` + "\n":              "node",
		`{"verb":"leave"`:                                  "4096 bytes",
		strings.Repeat("x", 8<<10) + "\n":                  "4096 bytes",
		`{"verb":"invite","for":900}` + "\n":               "nodes",
		`{"verb":"invite","nodes":1}` + "\n":               "for",
		`{"verb":"join","node":"n2"}` + "\n":               "code",
		`{"verb":"forget"}` + "\n":                         "gone",
		`{"verb":"leave","down":true}` + "\n":              "down",
		`[]` + "\n":                                        "object",
		`{"verb":"join","code":7}` + "\n":                  "code",
		"\x00\xff\n":                                       "JSON",
		`{"verb":"check","verb":"leave"}` + "\n":           "verb",
		`{"verb":"sync","addresses":["192.0.2.1"]}` + "\n": "addresses",
		`{"verb":"join","code":"x","addresses":["1","2","3","4","5","6","7","8","9"]}` + "\n": "addresses",
	} {
		got := exchange(t, path, text)
		said, _ := json.Marshal(got)
		if got["end"] != true || got["kind"] != "invalid" || !strings.Contains(string(said), words) {
			t.Errorf("%.60q: %s, expected %q", text, said, words)
		}
	}
}

// Only root and the named user may ask.
func TestStrangersMayNotAsk(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	path, errs := serve(t, "daemon", never(t))
	if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // so that the program alone refuses
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as above
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its other user
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(testkit.Nobody), ^uintptr(0)); errno != 0 {
			done <- errno
			return
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			_, _ = io.WriteString(conn, `{"verb":"leave"}`+"\n") // it may be closed already
			_, _ = io.ReadAll(conn)
			err = conn.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "may not ask") {
		t.Errorf("got %v", err)
	}
}

// Events come as they are told, and the end says what went wrong in a form of its own.
func TestAnswers(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	long := strings.Repeat("ä\n", 1<<20)
	path, _ := serve(t, "nobody", func(_ context.Context, q membership.Question, tell func(membership.Event)) error {
		tell(membership.Event{Step: "corosync", State: "failed", Node: strings.Join(q.Gone, ","), Text: long})
		switch q.Gone[0] {
		case "taken":
			return &bootstrap.ConflictError{Problem: "node taken is online"}
		case "broken":
			return errors.New("step corosync: exit status 1")
		case "silent":
			return bootstrap.ErrNoAnswer
		case "long":
			return errors.New(long)
		}
		return nil
	})
	root := membership.NewRoot(path)
	for node, is := range map[string]func(error) bool{
		"fine":   func(err error) bool { return err == nil },
		"taken":  func(err error) bool { return errors.As(err, new(*lb.ConflictError)) },
		"broken": func(err error) bool { return errors.As(err, new(*membership.FailedError)) },
		"silent": func(err error) bool { return errors.Is(err, membership.ErrNoAnswer) },
		"long":   func(err error) bool { return err != nil && len(err.Error()) < 5000 },
	} {
		var events []membership.Event
		err := root.Do(t.Context(), membership.Question{Verb: membership.VerbForget, Gone: []string{node}}, func(e membership.Event) { events = append(events, e) })
		if !is(err) || len(events) != 1 || events[0].Node != node || len(events[0].Text) > 5<<10 {
			t.Errorf("%s: %v, %d events", node, err, len(events))
		}
	}
	err := root.Do(t.Context(), membership.Question{Verb: membership.VerbForget}, nil)
	if invalid := (*lb.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Fields[0].Path != "gone" {
		t.Errorf("without nodes: %v", err)
	}
}

// An invitation and a forget end with their connection, and the agent waits for that end. A join goes
// on.
func TestWhatEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	ended := make(chan string, 2)
	path, _ := serve(t, "nobody", func(ctx context.Context, q membership.Question, tell func(membership.Event)) error {
		tell(membership.Event{Step: "code", State: "waiting", Code: "SECRET"})
		select {
		case <-ctx.Done():
			ended <- q.Verb
			return context.Cause(ctx)
		case <-time.After(time.Second):
			ended <- q.Verb + " done"
			return nil
		}
	})
	for verb, want := range map[string]string{membership.VerbInvite: "invite", membership.VerbForget: "forget", membership.VerbJoin: "join done"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		q := membership.Question{Verb: verb, For: 60, Nodes: 1}
		switch verb {
		case membership.VerbJoin:
			q = membership.Question{Verb: verb, Code: "x"}
		case membership.VerbForget:
			q = membership.Question{Verb: verb, Gone: []string{"n3"}}
		}
		err := membership.NewRoot(path).Do(ctx, q, func(e membership.Event) {
			if e.Code == "SECRET" {
				cancel()
			}
		})
		if err == nil {
			t.Errorf("%s: no error after its end", verb)
		}
		if verb != membership.VerbJoin && (len(ended) != 1 || !errors.Is(err, membership.ErrEnded)) {
			t.Errorf("the agent has not waited for the end of %s: %v", verb, err)
		}
		if got := <-ended; got != want {
			t.Errorf("%s: got %q", verb, got)
		}
	}
}

// What is left behind at the end of an invitation is told.
func TestEndLeavesSomething(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	path, _ := serve(t, "nobody", func(ctx context.Context, _ membership.Question, tell func(membership.Event)) error {
		tell(membership.Event{Step: "code", State: "waiting", Code: "SECRET"})
		<-ctx.Done()
		return errors.Join(context.Cause(ctx), errors.New("taking node n9 out again: exit status 1"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := membership.NewRoot(path).Do(ctx, membership.Question{Verb: membership.VerbInvite, For: 60, Nodes: 1}, func(membership.Event) { cancel() })
	if err == nil || errors.Is(err, membership.ErrEnded) || !strings.Contains(err.Error(), "node n9") {
		t.Errorf("got %v", err)
	}
}

// A node that joins cannot suppress what this one says by telling much.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	path, _ := serve(t, "nobody", func(_ context.Context, _ membership.Question, tell func(membership.Event)) error {
		for range 10500 {
			tell(membership.Event{Step: "authkey", State: "begin"})
		}
		tell(membership.Event{Step: "sync", State: "waiting"})
		tell(membership.Event{Step: "node", State: "warning"})
		return nil
	})
	steps := map[string]int{}
	err := membership.NewRoot(path).Do(t.Context(), membership.Question{Verb: membership.VerbForget, Gone: []string{"n3"}}, func(e membership.Event) { steps[e.Step]++ })
	if err != nil || steps["authkey"] != 10000 || steps["sync"] != 1 || steps["node"] != 1 {
		t.Errorf("%v, %v", steps, err)
	}
}

// A node whose root has not enabled the socket says how, and one whose root was killed says that the
// question may be repeated.
func TestNoAnswers(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	dir := testkit.SocketDir(t)
	q := membership.Question{Verb: membership.VerbCheck}
	if err := membership.NewRoot(filepath.Join(dir, "none")).Do(t.Context(), q, nil); !errors.Is(err, membership.ErrOff) || !strings.Contains(err.Error(), "thalassa-membership.socket") {
		t.Errorf("without socket: %v", err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := []string{"", "{\"event\":{\"step\":\"stop\"}}\n", "no JSON\n", strings.Repeat("x", 1<<20)}
	go func() {
		for _, text := range answers {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, len(`{"verb":"check"}`)+1))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	for _, text := range answers {
		if err := membership.NewRoot(path).Do(t.Context(), q, func(membership.Event) {}); !errors.Is(err, membership.ErrBroken) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

// Root does what package bootstrap does. A node without corosync has nothing to leave or join with,
// and the code of a join is in no error.
func TestCarry(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	dir := t.TempDir()
	tools := filepath.Join(dir, "tools")
	for _, name := range []string{"corosync", "tools"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cfg := bootstrap.Config{Corosync: filepath.Join(dir, "corosync"), CIB: filepath.Join(dir, "cib"), Journal: filepath.Join(dir, "journal"), Tools: tools}
	path, _ := serve(t, "nobody", membership.Carry(cfg))
	root := membership.NewRoot(path)
	const wrong = "0000000-0000000"
	do := func(q membership.Question) ([]string, error) {
		var states []string
		err := root.Do(t.Context(), q, func(e membership.Event) { states = append(states, e.State) })
		return states, err
	}
	if _, err := do(membership.Question{Verb: membership.VerbCheck}); err == nil || !strings.Contains(err.Error(), "is not installed in "+tools) {
		t.Errorf("without programs: %v", err)
	}
	for _, name := range []string{"corosync", "pacemakerd", "corosync-cfgtool", "corosync-cmapctl", "crm_node", "cibadmin", "crm_mon"} {
		if err := testkit.WriteProgram(filepath.Join(tools, name), []byte("#!/bin/sh\nexit 1\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := do(membership.Question{Verb: membership.VerbCheck}); err != nil {
		t.Fatal(err)
	}
	if states, err := do(membership.Question{Verb: membership.VerbLeave}); err != nil || !slices.Equal(states, []string{"kept"}) {
		t.Errorf("leaving no cluster: %v, %v", states, err)
	}
	_, err := do(membership.Question{Verb: membership.VerbJoin, Code: wrong, Node: "n2", Addresses: []string{"127.0.0.1"}})
	if invalid := (*lb.InvalidError)(nil); !errors.As(err, &invalid) || invalid.Fields[0].Path != "code" || strings.Contains(err.Error(), wrong) {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := do(membership.Question{Verb: membership.VerbInvite, For: 1, Nodes: 1}); err == nil || !strings.Contains(err.Error(), "for") {
		t.Errorf("a short code: %v", err)
	}
	if _, err := do(membership.Question{Verb: membership.VerbInvite, For: 60, Nodes: 1}); err == nil || !strings.Contains(err.Error(), "the configuration of the cluster") {
		t.Errorf("an invitation into no cluster: %v", err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Corosync, "corosync.conf"), []byte("totem {\n cluster_name: theirs\n}\nnodelist {\n node {\n  ring0_addr: 192.0.2.1\n }\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := do(membership.Question{Verb: membership.VerbLeave}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("leaving a cluster of somebody else: %v", err)
	}
}

// A node that is at work says so to the next question, and a look at one that is not leaves nothing.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	testkit.NeedsRoot(t)
	dir := t.TempDir()
	cfg := bootstrap.Config{Corosync: dir, Journal: filepath.Join(dir, "journal"), Tools: filepath.Join(dir, "tools")}
	if err := os.Mkdir(cfg.Tools, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"corosync", "pacemakerd", "corosync-cfgtool", "corosync-cmapctl", "crm_node", "cibadmin", "crm_mon"} {
		if err := testkit.WriteProgram(filepath.Join(cfg.Tools, name), []byte("#!/bin/sh\nexit 1\n")); err != nil {
			t.Fatal(err)
		}
	}
	path, _ := serve(t, "nobody", membership.Carry(cfg))
	root := membership.NewRoot(path)
	check := membership.Question{Verb: membership.VerbCheck}
	if err := root.Do(t.Context(), check, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cfg.Journal); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
	if err := os.Mkdir(cfg.Journal, 0o700); err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := root.Do(t.Context(), check, nil); !errors.As(err, new(*membership.BusyError)) || !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "right now") {
		t.Errorf("at work: %v", err)
	}
}
