package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/figures"
)

// A loss is one thing that is taken away from a node and given back, and what became of it.
type loss struct {
	name string
	// tells is what /readyz says meanwhile, as words of it; "": nothing, because the agent
	// does without it or makes it again.
	tells string
	// flags of the agent, by the node's folder.
	flags func(n *node) []string
	// take takes it away, which ends what give does not give back.
	take, give func(n *node) error
	// made is what the agent makes again while it is away; "": nothing.
	made string
	// heals is what the agent gives back by a reload, perhaps before anybody has asked what is
	// lost; "": it cannot.
	heals string
	// uses has the agent use it meanwhile, again and again, by a change; else it is not asked
	// for more than its state.
	uses bool

	node   *node
	load   *testkit.Load
	before string // what /readyz says when all is well
	told   time.Duration
	back   time.Duration
	failed int
}

// littleMemory is what a node has whose memory is limited, in bytes: the agent, HAProxy and
// what they start.
const littleMemory = 300 << 20

// losses is the list. Everything that the agent holds by a path is in it.
func losses(t *testing.T, l *liar) []*loss {
	t.Helper()
	return []*loss{
		{name: "haproxy.cfg", take: remove("haproxy.cfg"), give: nothing, made: "haproxy.cfg"},
		{name: "HAProxy's pid file", take: remove("h.pid"), give: nothing, made: "h.pid"},
		{name: "the stats socket", tells: "stats socket", heals: "h.sock", take: remove("h.sock"), give: reload},
		{name: "the master socket", tells: "master socket", heals: "haproxy.master.sock", take: remove("haproxy.master.sock"), give: reload},
		{
			name: "the template", tells: "", take: away("haproxy.tmpl"), give: again("haproxy.tmpl"),
			flags: func(n *node) []string { return []string{"--template-file", n.path("haproxy.tmpl")} },
		},
		{
			name: "the token file", tells: "the token file", take: away("tokens"), give: again("tokens"),
			flags: func(n *node) []string { return []string{"--token-file", n.path("tokens")} },
		},
		{
			name: "the access file", tells: "the access file", take: away("access.yaml"), give: again("access.yaml"),
			flags: func(n *node) []string { return []string{"--access-file", n.path("access.yaml")} },
		},
		{name: "the name of the database", tells: "the database was removed", take: away("thalassa.db"), give: again("thalassa.db")},
		{
			name: "Consul", tells: "shop", take: func(*node) error { l.tell("*", hangUp); return nil },
			give: func(*node) error { l.tell("*", nil); return nil },
		},
		{name: "file descriptors beyond those in use", take: descriptors(8), give: descriptors(-1)},
		{name: "the peers socket", tells: "peers socket", heals: "haproxy.peers.sock", take: remove("haproxy.peers.sock"), give: reload},
		{
			name: "the directory of haproxy.cfg", tells: "haproxy.cfg cannot be written", take: away("conf"), give: again("conf"),
			flags: func(n *node) []string { return []string{"--haproxy-cfg-path", n.path("conf/haproxy.cfg")} },
		},
		{
			name: "the directory of the database", tells: "the database", take: away("data"), give: again("data"),
			flags: func(n *node) []string { return []string{"--db-path", n.path("data")} },
		},
	}
}

// fileLosses are of files and sinks that are not only taken away, but replaced by something
// else, or do not take what is written.
func fileLosses(t *testing.T) []*loss {
	t.Helper()
	tokens := func(n *node) []string { return []string{"--token-file", n.path("tokens")} }
	access := func(n *node) []string { return []string{"--access-file", n.path("access.yaml")} }
	audit := func(n *node) []string { return []string{"--audit-file", n.path("data/audit.jsonl")} }
	pair := testkit.NewAuthority(t).Issue(t, "127.0.0.1")
	certificate := func(n *node) []string {
		n.secure = true
		for name, text := range map[string]string{"tls.crt": pair.Chain, "tls.key": pair.Key} {
			if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
				n.tb.Fatal(err)
			}
		}
		return []string{"--tls", "files", "--tls-cert", n.path("tls.crt"), "--tls-key", n.path("tls.key")}
	}
	program := func(n *node) []string {
		data, err := os.ReadFile(n.haproxy)
		if err == nil {
			err = testkit.WriteProgram(n.path("haproxy"), data)
		}
		if err != nil {
			n.tb.Fatal(err)
		}
		return []string{"--haproxy-binary", n.path("haproxy")}
	}
	another := func(n *node) error {
		if err := away("haproxy")(n); err != nil {
			return err
		}
		return testkit.WriteProgram(n.path("haproxy"), []byte("#!/bin/sh\nexit 0\n"))
	}
	const certificates = "the files of tls-cert and tls-key cannot be used"
	return []*loss{
		{name: "the token file, for other bytes", tells: "the token file", take: rubbish("tokens"), give: back("tokens"), flags: tokens},
		{name: "the token file, for a FIFO", tells: "the token file", take: fifo("tokens"), give: back("tokens"), flags: tokens},
		{name: "the access file, for other bytes", tells: "the access file", take: rubbish("access.yaml"), give: back("access.yaml"), flags: access},
		{name: "the access file, for a FIFO", tells: "the access file", take: fifo("access.yaml"), give: back("access.yaml"), flags: access},
		{name: "the certificate of the API", tells: certificates, take: away("tls.crt"), give: again("tls.crt"), flags: certificate},
		{name: "the key of the API", tells: certificates, take: away("tls.key"), give: again("tls.key"), flags: certificate},
		{name: "the certificate of the API, for other bytes", tells: certificates, take: rubbish("tls.crt"), give: back("tls.crt"), flags: certificate},
		{name: "the key of the API, for a FIFO", tells: certificates, take: fifo("tls.key"), give: back("tls.key"), flags: certificate},
		{name: "the audit log", take: remove("data/audit.jsonl"), give: nothing, made: "data/audit.jsonl", uses: true, flags: audit},
		{
			name: "the audit log, for a FIFO", tells: "the audit log is not written", take: fifo("data/audit.jsonl"), give: back("data/audit.jsonl"),
			uses: true, flags: audit,
		},
		{
			name: "the directory of the audit log", tells: "the audit log is not written", take: away("data"), give: again("data"),
			uses: true, flags: audit,
		},
		{name: "HAProxy's program", tells: "HAProxy's program is missing", take: away("haproxy"), give: again("haproxy"), flags: program},
		{name: "HAProxy's program, for another one", tells: "HAProxy's program is another program", take: another, give: back("haproxy"), flags: program},
		sinkLoss("somebody who reads the log", "nobody reads the log", false),
		sinkLoss("the other end of the log", "the log cannot be written", true),
	}
}

// sinkLoss is of the reader of the log: it reads no more, or closes its end.
func sinkLoss(name, tells string, closes bool) *loss {
	var reader *os.File
	var fifo string
	var pause sync.Mutex // locked while nobody reads
	open := func() (err error) {
		reader, err = os.OpenFile(filepath.Clean(fifo), os.O_RDONLY|unix.O_NONBLOCK, 0)
		return err
	}
	read := func(f *os.File) { // ends with the file
		buffer := make([]byte, 32<<10)
		for {
			pause.Lock()
			pause.Unlock() //nolint:staticcheck // it waits
			if _, err := f.Read(buffer); err != nil {
				return
			}
		}
	}
	l := &loss{name: name, tells: tells, flags: func(n *node) []string {
		fifo = n.path("log.fifo")
		if err := errors.Join(unix.Mkfifo(fifo, 0o600), open()); err != nil {
			n.tb.Fatal(err)
		}
		var err error
		if n.stderr, err = os.OpenFile(filepath.Clean(fifo), os.O_WRONLY, 0); err != nil {
			n.tb.Fatal(err)
		}
		n.tb.Cleanup(func() { _ = errors.Join(reader.Close(), n.stderr.Close()) })
		go read(reader)
		return []string{"--debug"} // each request is logged
	}}
	if closes {
		l.take = func(*node) error { return reader.Close() }
		l.give = func(*node) error {
			err := open()
			go read(reader)
			return err
		}
		return l
	}
	l.take = func(n *node) error {
		pause.Lock()
		n.chatter()
		return nil
	}
	l.give = func(*node) error { pause.Unlock(); return nil }
	return l
}

// rubbish moves a file away and puts other bytes there, fifo a FIFO; back ends both.
func rubbish(name string) func(n *node) error {
	return func(n *node) error {
		if err := away(name)(n); err != nil {
			return err
		}
		return os.WriteFile(n.path(name), []byte("\x00\xff{ this is not what was here\n"), 0o600)
	}
}

func fifo(name string) func(n *node) error {
	return func(n *node) error {
		if err := away(name)(n); err != nil {
			return err
		}
		return unix.Mkfifo(n.path(name), 0o600)
	}
}

func back(name string) func(n *node) error { return again(name) }

// diskLosses are those that only root can bring about.
func diskLosses(t *testing.T) []*loss {
	t.Helper()
	disk := testkit.NewDisk(t, 24)
	group := testkit.NewGroup(t, littleMemory)
	return []*loss{
		{
			name: "memory: all but 24 MB beyond that in use", give: func(*node) error { return group.TryLimit(littleMemory) },
			take:  func(*node) error { return group.TryLimit(group.Used() + 24<<20) },
			flags: func(n *node) []string { n.wrap = group.In; return nil },
		},
		{
			name: "the right to read the database, of an agent without rights", take: mode("thalassa.db", 0), give: mode("thalassa.db", 0o600),
			flags: func(n *node) []string { n.unprivileged(1 << 14); return nil },
		},
		{
			name: "room on the disk", tells: "cannot be written: no space left", take: fill("data"), give: remove("data/filler"),
			flags: func(n *node) []string {
				mount(n.tb, n.path("data"), "-t", "tmpfs", "-o", "size=4m", "tmpfs")
				return []string{"--db-path", n.path("data"), "--haproxy-cfg-path", n.path("data/haproxy.cfg")}
			},
		},
		{
			name: "the right to write to the disk (read-only)", tells: "cannot be written: read-only", take: readOnly("data"), give: unmount("data"),
			flags: func(n *node) []string {
				return []string{"--db-path", n.path("data"), "--haproxy-cfg-path", n.path("data/haproxy.cfg")}
			},
		},
		{
			name: "a disk that answers", tells: "database", take: func(*node) error { disk.Freeze(); return nil },
			give: func(*node) error { disk.Thaw(); return nil },
			flags: func(*node) []string {
				return []string{"--db-path", disk.Dir, "--haproxy-cfg-path", disk.Dir + "/haproxy.cfg"}
			},
		},
	}
}

// mode gives a file of the node other permissions.
func mode(name string, perm os.FileMode) func(n *node) error {
	return func(n *node) error { return os.Chmod(n.path(name), perm) }
}

// fill writes a file until the disk of a folder is full.
func fill(dir string) func(n *node) error {
	return func(n *node) error {
		filler, err := os.Create(n.path(dir + "/filler"))
		if err != nil {
			return err
		}
		for _, size := range []int{64 << 10, 4 << 10, 1} {
			for err = nil; err == nil; {
				_, err = filler.Write(make([]byte, size))
			}
		}
		return filler.Close()
	}
}

// readOnly mounts a folder over itself, read-only. What the agent has open stays writable.
func readOnly(dir string) func(n *node) error {
	return func(n *node) error {
		if err := unix.Mount(n.path(dir), n.path(dir), "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return unix.Mount("", n.path(dir), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
	}
}

func unmount(dir string) func(n *node) error {
	return func(n *node) error { return unix.Unmount(n.path(dir), unix.MNT_DETACH) }
}

func nothing(*node) error { return nil }

func remove(name string) func(n *node) error {
	return func(n *node) error { return os.Remove(n.path(name)) }
}

func away(name string) func(n *node) error {
	return func(n *node) error { return os.Rename(n.path(name), n.path(name+".away")) }
}

func again(name string) func(n *node) error {
	return func(n *node) error { return os.Rename(n.path(name+".away"), n.path(name)) }
}

// reload has HAProxy make its sockets again, as the agent does by itself a while later.
func reload(n *node) error { return unix.Kill(n.haproxyPID(), unix.SIGUSR2) }

// descriptors lets the agent open so many files beside those that are open; -1: as many as
// it may.
func descriptors(more int) func(n *node) error {
	return func(n *node) error {
		pid := n.agent.Process.Pid
		var limit unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
			return err
		}
		limit.Cur = limit.Max
		if more >= 0 {
			limit.Cur = uint64(openFiles(n.tb, pid) + more) //nolint:gosec // small
		}
		return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil)
	}
}

// TestTakenAway takes away what a node holds, each from a node of its own under load, and
// gives it back. No request fails; /healthz is 200; /readyz tells the truth; and all is as
// before when it is back. THALASSA_FAULTS is how long each is away. docs/faults.md has the
// table.
func TestTakenAway(t *testing.T) {
	duration, _ := lasting(t, "THALASSA_FAULTS", 3*time.Second)
	var all []*loss
	figures.Append(t, "faults", time.Now(), 0, func() map[string]int {
		failed := 0
		for _, f := range all {
			failed += f.failed
		}
		return map[string]int{"things taken away": len(all), "failed requests": failed}
	})
	consul := testkit.Consul(t)
	l := newLiar(t, consul.Address())
	service(t, consul, "1.0.0", 2)
	all = slices.Concat(losses(t, l), fileLosses(t))
	if os.Geteuid() == 0 {
		all = append(all, diskLosses(t)...)
	}
	for some := range slices.Chunk(all, 12) { // nodes at a time
		for _, f := range some {
			address := consul.Address()
			if f.name == "Consul" {
				address = l.address()
			}
			f.start(t, address)
		}
		for _, f := range some {
			f.serve()
		}
		begin := time.Now()
		for _, f := range some {
			f.takeAway()
		}
		<-time.After(time.Until(begin.Add(duration)))
		for _, f := range some {
			f.giveBack()
			f.node.end()
		}
	}
	if os.Geteuid() == 0 { // the table has all of them
		compareTable(t, "../docs/faults.md", "losses", lossTable(all))
	}
}

func (f *loss) start(t *testing.T, consul string) {
	t.Helper()
	f.node = newNode(t, consul, "--register=false")
	n := f.node
	for _, dir := range []string{"conf", "data"} {
		if err := os.Mkdir(n.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	token := "admin ops 0123456789abcdef0123456789abcdef\n"
	for name, text := range map[string]string{"haproxy.tmpl": defaultTemplate(t), "tokens": token, "access.yaml": "users: []\n"} {
		if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if f.flags != nil {
		n.flags = append(n.flags, f.flags(n)...)
	}
	if strings.Contains(f.name, "access") {
		n.flags = append(n.flags, "--token-file", n.path("tokens"))
	}
	n.startOnly()
}

func defaultTemplate(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(build(t), "template").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// serve has the node serve, and clients ask it.
func (f *loss) serve() {
	n := f.node
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		code, body := n.try(http.MethodGet, "/healthz", "")
		if code != http.StatusOK {
			return fmt.Errorf("%s: %d %s", f.name, code, body)
		}
		return nil
	})
	f.call(http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	f.call(http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.answers("1.0.0-0", "1.0.0-1")
	testkit.Eventually(n.tb, patience, func() error {
		code, body := n.try(http.MethodGet, "/readyz", "")
		if f.before = body; code != http.StatusOK {
			return fmt.Errorf("%s: /readyz %d %s", f.name, code, body)
		}
		return nil
	})
	f.load = testkit.StartLoad(n.tb, testkit.LoadConfig{Address: n.address(), KeepAlive: 1, Fresh: 1, Pause: 20 * time.Millisecond, For: 10 * time.Minute})
}

// call makes a change with the token of the node, if it wants one.
func (f *loss) call(method, path, body string) {
	f.node.tb.Helper()
	testkit.Eventually(f.node.tb, patience, func() error { return f.try(method, path, body) })
}

func (f *loss) try(method, path, body string) error {
	scheme := "http"
	if f.node.secure {
		scheme = "https"
	}
	req, err := http.NewRequest(method, fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, f.node.api, path), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if f.node.wantsToken() {
		req.Header.Set("Authorization", "Bearer 0123456789abcdef0123456789abcdef")
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the certificate is not what is tested
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s: %s", f.name, method, path, resp.Status)
	}
	return nil
}

func (n *node) wantsToken() bool {
	return strings.Contains(strings.Join(n.flags, " "), "--token-file")
}

// takeAway takes it away and waits until /readyz tells, or the agent has made it again.
func (f *loss) takeAway() {
	n := f.node
	n.tb.Helper()
	if err := f.take(n); err != nil {
		n.tb.Fatalf("%s: %v", f.name, err)
	}
	begin := time.Now()
	testkit.Eventually(n.tb, patience, func() error {
		if code, body := n.try(http.MethodGet, "/healthz", ""); code != http.StatusOK {
			return fmt.Errorf("%s: /healthz %d %s", f.name, code, body)
		}
		if f.uses {
			if err := f.try(http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`); err != nil {
				return err
			}
		}
		if f.made != "" {
			_, err := os.Stat(n.path(f.made))
			return err
		}
		if f.heals != "" {
			if _, err := os.Stat(n.path(f.heals)); err == nil {
				return nil
			}
		}
		if _, body := n.try(http.MethodGet, "/readyz", ""); !strings.Contains(body, f.tells) {
			return fmt.Errorf("%s: /readyz says %s", f.name, body)
		}
		return nil
	})
	f.told = time.Since(begin)
}

// giveBack gives it back and waits until all is as before: what /readyz says, traffic, and
// changes.
func (f *loss) giveBack() {
	n := f.node
	n.tb.Helper()
	if err := f.give(n); err != nil {
		n.tb.Fatalf("%s: %v", f.name, err)
	}
	begin := time.Now()
	testkit.Eventually(n.tb, patience, func() error {
		code, body := n.try(http.MethodGet, "/readyz", "")
		if code != http.StatusOK || body != f.before {
			return fmt.Errorf("%s: /readyz %d %s, expected %s", f.name, code, body, f.before)
		}
		return f.try(http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	})
	f.back = time.Since(begin)
	r := f.load.Stop()
	if f.failed = r.Failed; r.Failed > 0 || r.Requests < 20 {
		n.tb.Errorf("%s: %d of %d requests failed: %v", f.name, r.Failed, r.Requests, r.Errors)
	}
	n.tb.Logf("%-40s told after %s, as before after %s, %d requests", f.name, f.told.Round(time.Millisecond), f.back.Round(time.Millisecond), r.Requests)
	if *update && (f.told > 2100*time.Millisecond || f.back > 5*time.Second) {
		n.tb.Errorf("%s: told after %s, want 2 s; as before after %s, want 5 s", f.name, f.told, f.back)
	}
}

func lossTable(all []*loss) string {
	var table strings.Builder
	table.WriteString("| taken away | `/healthz` | meanwhile | failed requests | after | as before after |\n|---|---|---|---|---|---|\n")
	for _, f := range all {
		meanwhile := "works without it"
		switch {
		case f.made != "":
			meanwhile = "the agent makes it again"
		case f.tells != "":
			meanwhile = "`/readyz` names: " + f.tells
		}
		fmt.Fprintf(&table, "| %s | 200 | %s | %d | %.1f s | %.1f s |\n", f.name, meanwhile, f.failed, f.told.Seconds(), f.back.Seconds())
	}
	return table.String()
}

// compareTable compares a table of a page with what was found, except for the times, or writes
// it anew.
func compareTable(t *testing.T, file, name, table string) {
	t.Helper()
	head, foot := "<!-- "+name+": written by the tests -->\n", "<!-- end of "+name+" -->\n"
	data, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, isBegun := strings.Cut(string(data), head)
	old, after, isEnded := strings.Cut(rest, foot)
	times := regexp.MustCompile(`[0-9.]+ s \|`)
	switch {
	case !isBegun || !isEnded:
		t.Fatalf("%s has no place for the table", file)
	case *update:
		if err := os.WriteFile(file, []byte(before+head+table+foot+after), 0o600); err != nil {
			t.Fatal(err)
		}
	case times.ReplaceAllString(old, "") != times.ReplaceAllString(table, ""):
		t.Errorf("%s is not what the tests found (-update writes it anew):\n%s", file, table)
	}
}
