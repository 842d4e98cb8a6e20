package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/figures"
	"thalassa/lb"
	"thalassa/store"
)

const (
	// narrow is the memory of the agent and its HAProxy together.
	narrow = 300 << 20
	// bulk is how large a large object is: less than the largest body.
	bulk = 900_000
	// slowest is how long /healthz may take while two processors are wanted by many.
	slowest = 10 * time.Second

	narrowReader, narrowSecond, narrowSecret = "0123456789abcdef-read", "0123456789abcdef-next", "narrow passphrase"
)

// A narrowNode is a node whose agent and HAProxy have little memory.
type narrowNode struct {
	*node
	t        *testing.T
	group    *testkit.Group
	peak     atomic.Int64 // since it was taken last, in bytes
	requests atomic.Int64
	backup   []byte
	database []byte
}

// A blow is what many do at once. Of those who do it alone, one at least gets the answer that
// is wanted; beside other blows, all may be told to try again.
type blow struct {
	name   string
	number int
	want   int
	do     func(i int) (status int, err error)
}

// TestLittleMemory: whatever callers send and read, in turn and all at once, the agent and
// HAProxy live in 300 MB, answer and serve.
func TestLittleMemory(t *testing.T) {
	if os.Getenv("THALASSA_MEMORY") == "" {
		t.Skip("takes minutes: make memory runs it")
	}
	begun := time.Now()
	n := newNarrowNode(t)
	peaks := map[string]int{}
	figures.Append(t, "memory", begun, 0, func() map[string]int {
		peaks["limit MB"], peaks["requests"] = narrow>>20, int(n.requests.Load())
		return peaks
	})
	note := func(name string) {
		peak := int(n.peak.Swap(0) >> 20)
		peaks["MB: "+name] = peak
		t.Logf("%3.0f s: %s: at most %d MB", time.Since(begun).Seconds(), name, peak)
	}
	pid := n.agent.Process.Pid
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 1, Fresh: 1, Pause: 50 * time.Millisecond, For: 5 * time.Minute})
	stop := n.watch()
	n.fill()
	note("edits of drafts")
	blows := n.blows()
	for _, b := range blows {
		n.strike(b, true)
		note(b.name)
		if n.exited() || n.group.Killed() > 0 {
			t.Fatalf("after %s: %d processes were killed", b.name, n.group.Killed())
		}
	}
	var together sync.WaitGroup
	for _, b := range blows {
		together.Go(func() { n.strike(b, false) })
	}
	together.Wait()
	note("all of these at once")
	if longest := stop(); longest > slowest {
		t.Errorf("/healthz took %s", longest)
	}
	if killed := n.group.Killed(); killed > 0 || n.exited() || n.agent.Process.Pid != pid {
		t.Errorf("%d processes were killed", killed)
	}
	if r := load.Stop(); r.Failed > 0 || r.Requests < 100 {
		t.Errorf("%d of %d requests to HAProxy failed: %v", r.Failed, r.Requests, r.Errors)
	}
	if status, err := n.ask(http.MethodPut, "/backends/last", "application/json", []byte(`{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`), nil); status != http.StatusOK {
		t.Errorf("a change afterwards: %d %v", status, err)
	}
}

func newNarrowNode(t *testing.T) *narrowNode {
	t.Helper()
	n := &narrowNode{node: newNode(t, "127.0.0.1:1", "--register=false"), t: t, group: testkit.NewGroup(t, narrow)}
	n.wrap = n.group.In
	tokens, access := n.path("tokens"), n.path("access.yaml")
	if err := os.WriteFile(tokens, []byte("admin ops "+tlsToken+"\nadmin second "+narrowSecond+"\nread reader "+narrowReader+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		accessUser(t, access, fmt.Sprintf("user%d", i), "--role", "read")
	}
	n.flags = append(n.flags, "--tls", "auto", "--token-file", tokens, "--access-file", access, "--max-websockets-per-caller", "400", "--max-connections-per-address", "800")
	n.secure = true
	n.history()
	n.start()
	n.put("/backends/live", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, testkit.StartWeb(t, "here").Port))
	n.put("/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	n.answers("here")
	return n
}

func (n *narrowNode) put(path, body string) {
	n.t.Helper()
	var answer bytes.Buffer
	if status, err := n.ask(http.MethodPut, path, "application/json", []byte(body), &answer); status != http.StatusOK {
		n.t.Fatalf("PUT %s: %d %v %s", path, status, err, &answer)
	}
}

// client has a connection of its own, from an address of its own.
func (n *narrowNode) client(i int) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i%16))}, Timeout: patience}
	return &http.Client{Timeout: 6 * patience, Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // TestTLS checks it
	}}
}

// ask makes one request of an admin; out gets the answer, nil: nobody. A body that is refused before it
// was sent as a whole may end the connection: status 0 and no error.
func (n *narrowNode) ask(method, path, contentType string, body []byte, out io.Writer) (int, error) {
	return n.askFrom(0, method, path, tlsToken, contentType, body, out)
}

func (n *narrowNode) askFrom(i int, method, path, token, contentType string, body []byte, out io.Writer) (int, error) {
	n.requests.Add(1)
	req, err := http.NewRequestWithContext(n.t.Context(), method, fmt.Sprintf("https://127.0.0.1:%d%s", n.api, path), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if strings.HasPrefix(path, "/backup") {
		req.Header.Set("Thalassa-Passphrase", base64.StdEncoding.EncodeToString([]byte(narrowSecret)))
	}
	client := n.client(i)
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		if len(body) > 1<<20 && !errors.Is(err, context.DeadlineExceeded) {
			return 0, nil
		}
		return 0, err
	}
	defer res.Body.Close()
	if out == nil {
		out = io.Discard
	}
	switch _, err = io.Copy(out, res.Body); {
	case errors.Is(err, errEnough):
		err = nil
	case err != nil:
		err = fmt.Errorf("the answer %d of %s: %w", res.StatusCode, path, err)
	}
	return res.StatusCode, err
}

// errEnough is the error of a reader that has read enough.
var errEnough = errors.New("enough")

// A laggard reads a little, and little by little, and gives up.
type laggard struct {
	read int
	ends time.Time
}

func (l *laggard) Write(p []byte) (int, error) {
	if l.read == 0 {
		l.ends = time.Now().Add(3 * time.Second)
		<-time.After(time.Second)
	}
	if l.read += len(p); time.Now().After(l.ends) {
		return 0, errEnough
	}
	<-time.After(10 * time.Millisecond)
	return len(p), nil
}

// watch looks at the memory in use and at /healthz, until stop is called; that says how
// long the slowest answer took.
func (n *narrowNode) watch() (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(n.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			n.peak.Store(max(n.peak.Load(), n.group.Used()))
			<-time.After(20 * time.Millisecond)
		}
	})
	longest := time.Duration(0)
	done.Go(func() {
		for ctx.Err() == nil {
			begun := time.Now()
			if status, err := n.askFrom(20, http.MethodGet, "/healthz", "", "", nil, nil); status != http.StatusOK && ctx.Err() == nil { //nolint:contextcheck // that of the test, which ends later
				n.t.Errorf("/healthz: %d %v", status, err)
			}
			longest = max(longest, time.Since(begun))
			<-time.After(200 * time.Millisecond)
		}
	})
	stop = sync.OnceValue(func() time.Duration { cancel(); done.Wait(); return longest })
	n.t.Cleanup(func() { stop() })
	return stop
}

// bulky is a backend with a member and as many raw lines as a body has room for.
func bulky(mark string) string {
	line := `"# ` + mark + strings.Repeat("x", 4000) + `"`
	return `{"type":"static","members":[{"host":"127.0.0.1","port":9}],"natives":[` +
		strings.TrimSuffix(strings.Repeat(line+",", bulk/len(line)), ",") + `]}`
}

// history stores 60 revisions, each of which changes a large backend, before the agent runs.
func (n *narrowNode) history() {
	n.t.Helper()
	db, err := store.Open(n.path("thalassa.db"), store.Options{})
	if err != nil {
		n.t.Fatal(err)
	}
	in := lb.NewIntent()
	for i := range 60 {
		var spec lb.BackendSpec
		if err := json.Unmarshal([]byte(bulky(strconv.Itoa(i))), &spec); err != nil {
			n.t.Fatal(err)
		}
		b, err := spec.Parse(lb.Name(fmt.Sprintf("large%d", i%3)))
		if err != nil {
			n.t.Fatal(err)
		}
		in = in.Clone()
		in.Put(b)
		if _, err := db.Commit(n.t.Context(), uint64(i), in, lb.Origin{Author: "ops", Time: time.Now()}); err != nil { //nolint:gosec // small
			n.t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		n.t.Fatal(err)
	}
}

// fill makes more than 15 MB of drafts, and what is sent to the agent later.
func (n *narrowNode) fill() {
	n.t.Helper()
	var all sync.WaitGroup
	for d := range 4 {
		all.Go(func() {
			id := fmt.Sprintf("kept%d", d)
			body, err := json.Marshal(map[string]string{"id": id})
			if err != nil {
				n.t.Error(err)
			}
			if status, err := n.ask(http.MethodPost, "/drafts", "application/json", body, nil); status != http.StatusCreated {
				n.t.Errorf("POST /drafts: %d %v", status, err)
			}
			for i := range 5 {
				n.put(fmt.Sprintf("/backends/%s-%d?draft=%s", id, i, id), bulky(id))
			}
		})
	}
	all.Wait()
	var file bytes.Buffer
	if status, err := n.ask(http.MethodGet, "/export/pyhrapi?force=1", "", nil, &file); status != http.StatusOK {
		n.t.Fatalf("GET /export/pyhrapi: %d %v", status, err)
	}
	n.database = append(file.Bytes(), make([]byte, 50<<20)...)
	file.Reset()
	if status, err := n.ask(http.MethodGet, "/backup", "", nil, &file); status != http.StatusOK || file.Len() < 20*bulk {
		n.t.Fatalf("GET /backup: %d %v, %d bytes", status, err, file.Len())
	}
	n.backup = bytes.Clone(file.Bytes())
}

// isRefusedEarly reports whether a body was refused before all of it was sent: the client may
// then see the end of the connection before the answer.
func isRefusedEarly(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// strike deals a blow.
func (n *narrowNode) strike(b blow, isAlone bool) {
	n.t.Helper()
	var (
		mu    sync.Mutex
		all   sync.WaitGroup
		count = map[int]int{}
	)
	for i := range b.number {
		all.Go(func() {
			status, err := b.do(i)
			mu.Lock()
			defer mu.Unlock()
			if isRefusedEarly(err) {
				return
			}
			if count[status]++; err != nil {
				n.t.Errorf("%s: %v", b.name, err)
			}
		})
	}
	all.Wait()
	for status := range count {
		if status >= 500 && status != http.StatusServiceUnavailable {
			n.t.Errorf("%s: status %d", b.name, status)
		}
	}
	if count[b.want] == 0 && (isAlone || count[http.StatusServiceUnavailable] == 0) {
		n.t.Errorf("%s: nobody got %d, answers are %v", b.name, b.want, count)
	}
	n.t.Logf("%s: answers %v", b.name, slices.Sorted(maps.Keys(count)))
}

func (n *narrowNode) blows() []blow {
	// each asks for one of some paths. Whoever asks for a path first reads all of it, the others
	// read slowly.
	each := func(token string, paths ...string) func(i int) (int, error) {
		return func(i int) (int, error) {
			var out io.Writer
			if i >= len(paths) {
				out = &laggard{}
			}
			return n.askFrom(i, http.MethodGet, paths[i%len(paths)], token, "", nil, out)
		}
	}
	tokens := []string{tlsToken, narrowSecond}
	bad := `{"type":"static","members":[` + strings.Repeat(`{"host":"-","port":0},`, 45_000) + `{}]}`
	var edits []map[string]any
	for i := range 4 {
		edits = append(edits, map[string]any{"method": "PUT", "path": fmt.Sprintf("/backends/more%d", i), "body": json.RawMessage(bulky("c"))})
	}
	changeset, err := json.Marshal(map[string]any{"edits": edits})
	if err != nil {
		n.t.Fatal(err)
	}
	var cfg strings.Builder
	for i := 0; cfg.Len() < 1<<20; i++ {
		fmt.Fprintf(&cfg, "backend b%d\n    # %s\n    server s1 127.0.0.1:9\n", i, strings.Repeat("y", 400))
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\nContent-Type: application/octet-stream\r\n\r\n" + strings.Repeat("z", 10<<20) + "\r\n--b--\r\n"
	pem := []byte("-----BEGIN CERTIFICATE-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", 160_000) + "-----END CERTIFICATE-----\n")
	return []blow{
		{"histories", 12, 200, each(narrowReader, "/revisions?limit=1000")},
		{"bad bodies", 40, 400, func(i int) (int, error) {
			return n.askFrom(i, http.MethodPut, fmt.Sprintf("/backends/bad%d", i), tokens[i%2], "application/json", []byte(bad), nil)
		}},
		{"drafts", 8, 200, func(i int) (int, error) {
			path := fmt.Sprintf("/backends/kept%d-0?draft=kept%d", i%4, i%4)
			if status, err := n.askFrom(i, http.MethodPut, path, tokens[i%2], "application/json", []byte(bulky("again")), nil); err != nil || status >= 500 {
				return status, err
			}
			return n.askFrom(i, http.MethodGet, fmt.Sprintf("/drafts/kept%d/diff", i%4), tokens[i%2], "", nil, nil)
		}},
		{"lists of drafts", 9, 200, each(narrowReader, "/drafts", "/drafts/kept1", "/drafts/kept2/edits")},
		{"changesets", 8, 200, func(i int) (int, error) {
			return n.askFrom(i, http.MethodPost, "/changes?dryRun=1", tokens[i%2], "application/json", changeset, nil)
		}},
		{"imports", 4, 200, func(i int) (int, error) {
			return n.askFrom(i, http.MethodPost, "/import/haproxy?dryRun=1", tokens[i%2], "text/plain", []byte(cfg.String()), nil)
		}},
		{"imports of databases", 4, 200, func(i int) (int, error) {
			return n.askFrom(i, http.MethodPost, "/import/pyhrapi?dryRun=1", tokens[i%2], "application/vnd.sqlite3", n.database, nil)
		}},
		{"backups", 4, 200, each(tlsToken, "/backup")},
		{"restores", 3, 200, func(i int) (int, error) {
			return n.askFrom(i, http.MethodPost, "/backup?dryRun=1", tokens[i%2], "application/x-ndjson", n.backup, nil)
		}},
		{"exports", 9, 200, each(tlsToken, "/export/pyhrapi?force=1", "/v1/controller/_export-sql", "/v1/controller/_export-cdb")},
		{"certificates", 9, 413, func(i int) (int, error) {
			switch i % 3 {
			case 0:
				return n.askFrom(i, http.MethodPut, "/certificates/big", tokens[i%2], "application/x-pem-file", pem, nil)
			case 1:
				return n.askFrom(i, http.MethodPut, "/v1/certificates/big", tokens[i%2], "application/x-pem-file", pem, nil)
			}
			return n.askFrom(i, http.MethodPost, "/v1/controller/upload", tokens[i%2], "multipart/form-data; boundary=b", []byte(form), nil)
		}},
		{"websockets", 200, http.StatusSwitchingProtocols, n.silentFollower},
		{"logins", 100, 401, func(i int) (int, error) {
			body := fmt.Sprintf(`{"user":"user%d","password":"wrong horse %d"}`, i%3, i) // the third does not exist
			return n.askFrom(i, http.MethodPost, "/session", "", "application/json", []byte(body), nil)
		}},
		{"queries", 24, 200, each(tlsToken, "/audit?limit=1000", "/activity?limit=1000", "/haproxy/config", "/haproxy/configs", "/revisions/3..60",
			"/revisions/30", "/backends", "/definitions", "/v1/pools", "/v1/haproxy/configuration/running", "/metrics", "/openapi.json")},
		{"the cluster", 9, 404, func(i int) (int, error) {
			path := []string{"/cluster/changes?dryRun=1", "/cluster/simulate/move", "/cluster/actions/move"}[i%3]
			return n.askFrom(i, http.MethodPost, path, tokens[i%2], "application/json", changeset[:1<<20], nil)
		}},
	}
}

// silentFollower follows everything over a websocket and reads nothing for some seconds.
// Each has keys of its own, every other one as many as a message has room for.
func (n *narrowNode) silentFollower(i int) (int, error) {
	n.requests.Add(1)
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, fmt.Sprintf("wss://127.0.0.1:%d/streams", n.api), &websocket.DialOptions{ //nolint:bodyclose // the library closes it
		HTTPClient: n.client(i), Subprotocols: []string{"thalassa.v1"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + narrowReader}},
	})
	if err != nil {
		if res != nil {
			return res.StatusCode, nil
		}
		return 0, err
	}
	defer func() { _ = conn.CloseNow() }()
	subscription := map[string]any{"type": "subscribe", "topics": []string{"frontends", "backends", "stat", "totals", "status", "activity"}}
	if i%4 > 0 {
		keys := []string{fmt.Sprintf("large%d", i%3), fmt.Sprintf("large%d", (i+1)%6), fmt.Sprintf("other%d", i)}
		for k := 0; i%2 == 0 && k < 4900; k++ {
			keys = append(keys, fmt.Sprintf("%d-%d-%s", i, k, strings.Repeat("k", 38)))
		}
		subscription["keys"] = keys
	}
	message, err := json.Marshal(subscription)
	if err != nil {
		return 0, err
	}
	if err := conn.Write(ctx, websocket.MessageText, message); err != nil && !isClosed(err) {
		return 0, err
	}
	<-time.After(5 * time.Second)
	return res.StatusCode, nil
}

// isClosed reports whether the other side has closed the websocket or its connection.
func isClosed(err error) bool {
	var op *net.OpError
	return websocket.CloseStatus(err) != -1 || errors.As(err, &op) || errors.Is(err, io.EOF)
}
