package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/figures"
)

// TestStaged makes edits, drafts, commits and restores at random, and kills the agent while
// they are under way. After each step, the node has what was answered and nothing else:
// every draft has its own edits and shows in no other answer or file, HAProxy accepts
// haproxy.cfg, and a restored revision has the file that it had, members aside.
// THALASSA_STAGED is its duration, THALASSA_STAGED_SEED makes the same choices again.
func TestStaged(t *testing.T) {
	duration, seed := lasting(t, "THALASSA_STAGED", 10*time.Second)
	begin := time.Now()
	s := newStaged(t, seed)
	figures.Append(t, "staged", begin, seed, func() map[string]int {
		kills := 0
		for name, n := range s.done {
			if strings.Contains(name, "kill") {
				kills += n
			}
		}
		return map[string]int{"revisions": int(s.revision), "drafts": s.begun, "kills": kills} //nolint:gosec // small
	})
	for time.Since(begin) < duration || !s.proves() {
		if time.Since(begin) > duration+time.Minute {
			t.Fatalf("too few steps to prove anything: %v", s.done)
		}
		s.step()
		if t.Failed() {
			break
		}
	}
	s.looksEverywhere()
	t.Logf("%d revisions, %d drafts: %v", s.revision, len(s.state.drafts), s.done)
}

// staged is a node that random steps are made on.
type staged struct {
	*testing.T

	n     *node
	rand  *rand.Rand
	binds map[string]string // of the frontends by id

	state    stagedState
	revision uint64
	history  map[uint64]definitions
	files    map[uint64]string // haproxy.cfg without members
	public   map[string]bool   // marks that have been in effect
	marks    int
	begun    int            // drafts
	done     map[string]int // steps by what came of them

	mu       sync.Mutex
	streamed strings.Builder // what clients of /streams were sent
}

// A request of a step, and what the node has after it.
type stagedRequest struct {
	method, path, body string
	then               stagedState
	isChange           bool // of what is in effect: a revision
}

const stagedService = "backend/shop" // it is dynamic

func newStaged(t *testing.T, seed uint64) *staged {
	t.Helper()
	s := &staged{
		T: t, rand: rand.New(rand.NewPCG(seed, 0)), binds: map[string]string{}, done: map[string]int{}, //nolint:gosec // to be repeated, not secret
		state:   stagedState{definitions{}, map[string]draftModel{}},
		history: map[uint64]definitions{0: {}}, files: map[uint64]string{}, public: map[string]bool{},
	}
	consul := testkit.Consul(t)
	s.n = newNode(t, consul.Address(), "--reload-every", "10ms", "--reload-burst", "1000")
	s.n.flags = append(s.n.flags, "--persistence", s.n.path("persist.json"))
	for i, port := range testkit.Ports(t, 2) {
		s.binds[fmt.Sprintf("frontend/f%d", i)] = fmt.Sprintf("127.0.0.1:%d", port)
	}
	s.n.start()
	for _, version := range []string{"1.0.0", "1.1.0"} {
		service(t, consul, version, 1)
	}
	for _, id := range []string{"backend/b0", stagedService, "frontend/f0"} {
		s.put(id)
	}
	s.listens()
	return s
}

// put makes an object at the beginning.
func (s *staged) put(id string) {
	s.Helper()
	testkit.Eventually(s.T, patience, func() error { // until Consul's instances are known
		edits := definitions{id: s.value(id)}
		if status, body := s.send(s.change("", edits)); status != http.StatusOK {
			return errors.New(body)
		}
		s.follow(s.change("", edits))
		return nil
	})
}

// proves reports whether enough has happened.
func (s *staged) proves() bool {
	for _, what := range []string{"edit 200", "draft edit 200", "commit 200", "commit conflict", "rebase 200", "drop 200", "restore 200", "kill"} {
		if s.done[what] == 0 {
			return false
		}
	}
	return true
}

func (s *staged) objects() []string {
	return append([]string{"backend/b0", "backend/b1", "backend/b2", stagedService}, slices.Sorted(maps.Keys(s.binds))...)
}

// value is one that no object has had.
func (s *staged) value(id string) string {
	s.marks++
	value := fmt.Sprintf("mark%05d", s.marks)
	if id == stagedService {
		value += []string{" 1.0.0", " 1.1.0"}[s.rand.IntN(2)]
	}
	return value
}

// markPattern finds the marks of values in any text.
var markPattern = regexp.MustCompile(`mark\d{5}`)

// edits are some at random, made on what a draft or the node shows.
func (s *staged) edits(view definitions) definitions {
	out := definitions{}
	for range 1 + s.rand.IntN(3) {
		id := s.objects()[s.rand.IntN(len(s.objects()))]
		switch s.rand.IntN(6) {
		case 0:
			out[id] = ""
		case 1:
			out[id] = s.state.live[id] // as it is in effect
		default:
			out[id] = s.value(id)
		}
		if out[id] == "" && view[id] == "" { // there is nothing to delete
			out[id] = s.value(id)
		}
	}
	return out
}

// change is a request that makes edits, in a draft unless that is "".
func (s *staged) change(draft string, edits definitions) stagedRequest {
	r := stagedRequest{method: http.MethodPost, path: "/changes", then: s.state.withLive(s.state.live.with(edits)), isChange: true}
	if draft != "" {
		after := s.state.drafts[draft].edited(s.state.live, edits)
		r.path, r.isChange, r.then = "/changes?draft="+draft, false, s.state.withDraft(draft, &after)
	}
	list := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(edits)) {
		list = append(list, s.edit(id, edits[id]))
	}
	body, err := json.Marshal(map[string]any{"edits": list})
	if err != nil {
		s.Fatal(err)
	}
	r.body = string(body)
	return r
}

// edit gives an object a value.
func (s *staged) edit(id, value string) map[string]any {
	kind, key, _ := strings.Cut(id, "/")
	edit := map[string]any{"method": http.MethodPut, "path": "/" + kind + "s/" + key}
	mark, version, _ := strings.Cut(value, " ")
	switch {
	case value == "":
		edit["method"] = http.MethodDelete
	case kind == "frontend":
		target := "b0"
		if mark > "mark00003" { // any that there may be, in turn
			target = fmt.Sprintf("b%d", mark[len(mark)-1]%3)
		}
		edit["body"] = map[string]any{"bind": s.binds[id], "backend": target, "rules": []any{
			map[string]any{"type": "path", "operation": "path_beg", "value": "/" + mark, "backend": target},
		}}
	case id == stagedService:
		edit["body"] = map[string]any{"type": "dynamic", "name": "shop", "version": version, "host": mark}
	default:
		edit["body"] = map[string]any{"type": "static", "host": mark, "members": []any{map[string]any{"host": "127.0.0.1", "port": 9}}}
	}
	return edit
}

// step makes one request at random and follows what came of it. In some, the agent is killed
// while it carries the request out.
func (s *staged) step() {
	s.Helper()
	what, r := s.choose()
	if s.rand.IntN(10) == 0 {
		s.kills(what, r)
	} else {
		status, body := s.send(r)
		s.judge(what, r, status, body)
	}
	s.agrees(s.state)
	if s.rand.IntN(10) == 0 {
		s.looksEverywhere()
	}
}

func (s *staged) marksOf(d definitions) map[string]bool {
	out := map[string]bool{}
	for _, value := range d {
		out[markPattern.FindString(value)] = true
	}
	return out
}

// choose is a random request and its name.
func (s *staged) choose() (string, stagedRequest) {
	drafts := slices.Sorted(maps.Keys(s.state.drafts))
	at := s.rand.IntN(20)
	switch {
	case at < 5:
		return "edit", s.change("", s.edits(s.state.live))
	case at < 7:
		n := uint64(1 + s.rand.IntN(int(s.revision))) //nolint:gosec // small
		return "restore", stagedRequest{http.MethodPost, fmt.Sprintf("/revisions/%d/restore", n), "", s.state.withLive(s.history[n]), true}
	case at < 9 && len(drafts) < 4 || len(drafts) == 0:
		s.begun++
		id := fmt.Sprintf("d%d", s.begun)
		fresh := newDraftModel()
		return "draft", stagedRequest{method: http.MethodPost, path: "/drafts", body: fmt.Sprintf(`{"id":%q}`, id), then: s.state.withDraft(id, &fresh)}
	}
	id := drafts[s.rand.IntN(len(drafts))]
	d := s.state.drafts[id]
	path := "/drafts/" + id
	switch {
	case at < 14:
		return "draft edit", s.change(id, s.edits(d.view(s.state.live)))
	case at < 15:
		rebased := d.rebased(s.state.live)
		return "rebase", stagedRequest{method: http.MethodPost, path: path + "/rebase", then: s.state.withDraft(id, &rebased)}
	case at < 17 && len(d.after) > 0:
		one := d.objects()[s.rand.IntN(len(d.after))]
		dropped := d.without(one)
		return "drop", stagedRequest{method: http.MethodPost, path: path + "/drop", body: fmt.Sprintf(`{"objects":[%q]}`, one), then: s.state.withDraft(id, &dropped)}
	case at < 19:
		return "commit", stagedRequest{http.MethodPost, path + "/commit", "", s.state.withLive(d.view(s.state.live)).withDraft(id, nil), true}
	}
	return "delete", stagedRequest{method: http.MethodDelete, path: path, then: s.state.withDraft(id, nil)}
}

func (s *staged) send(r stagedRequest) (int, string) {
	body := r.body
	if body == "" && r.method == http.MethodPost {
		body = "{}"
	}
	return s.n.try(r.method, r.path, body)
}

// judge compares an answer with what there may be.
func (s *staged) judge(what string, r stagedRequest, status int, body string) {
	s.Helper()
	conflicts := []string{}
	if what == "commit" {
		conflicts = s.state.drafts[strings.Split(r.path, "/")[2]].conflicts(s.state.live)
	}
	switch {
	case len(conflicts) > 0:
		var answer struct{ By []string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusConflict || !slices.Equal(answer.By, conflicts) {
			s.Errorf("%s with conflicts %v: %d %s", r.path, conflicts, status, body)
		}
		s.done["commit conflict"]++
	case status/100 == 2:
		s.done[what+" 200"]++
		s.follow(r)
	case status == http.StatusBadRequest, status == http.StatusConflict: // a reference would not hold
		s.done[what+" refused"]++
	default:
		s.Errorf("%s %s %s: %d %s", r.method, r.path, r.body, status, body)
	}
}

// follow takes over what a request did. The file of a new revision must be that of any
// other with the same objects.
func (s *staged) follow(r stagedRequest) {
	s.Helper()
	s.state = r.then
	if !r.isChange {
		return
	}
	s.revision = s.newest()
	s.history[s.revision] = r.then.live
	for mark := range s.marksOf(r.then.live) {
		s.public[mark] = true
	}
	s.n.warns("") // until it is in effect
	s.keepsFile()
}

// newest is the number of the newest revision.
func (s *staged) newest() uint64 {
	s.Helper()
	var list []struct{ Number uint64 }
	_, body := s.n.try(http.MethodGet, "/revisions?limit=1", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) == 0 {
		s.Fatalf("revisions: %s", body)
	}
	return list[0].Number
}

var serverLines = regexp.MustCompile(`(?m)^\s+server .*\n`)

// keepsFile records the file of the newest revision. Revisions with the same objects have
// the same, byte for byte, members aside.
func (s *staged) keepsFile() {
	s.Helper()
	var text string
	testkit.Eventually(s.T, patience, func() error { // the file follows a change at run time
		text = serverLines.ReplaceAllString(s.n.config(), "")
		for mark := range s.marksOf(s.state.live) {
			if !strings.Contains(text, mark) {
				return fmt.Errorf("%s is not in haproxy.cfg", mark)
			}
		}
		return nil
	})
	s.files[s.revision] = text
	for n, live := range s.history {
		if former, isKnown := s.files[n]; isKnown && maps.Equal(live, s.state.live) && former != text {
			s.Errorf("revision %d has the objects of revision %d, and another file:\n%s\n---\n%s", s.revision, n, text, former)
		}
	}
}

// kills makes a request and kills the agent meanwhile. What was not answered is done or not
// done, as a whole.
func (s *staged) kills(what string, r stagedRequest) {
	s.Helper()
	s.done["kill"]++
	type answer struct {
		status int
		body   string
	}
	answered := make(chan answer, 1)
	go func() {
		status, body := s.send(r)
		answered <- answer{status, body}
	}()
	<-time.After(time.Duration(s.rand.IntN(60)) * time.Millisecond)
	s.n.signal(syscall.SIGKILL)
	a := <-answered
	s.n.start()
	s.listens()
	if a.status != 0 {
		s.judge(what, r, a.status, a.body)
		return
	}
	s.adopts(r)
}

// adopts finds out what came of a request that was not answered.
func (s *staged) adopts(r stagedRequest) {
	s.Helper()
	possible := []stagedState{s.state, r.then}
	if id, isCommit := strings.CutSuffix(strings.TrimPrefix(r.path, "/drafts/"), "/commit"); isCommit {
		d := s.state.drafts[id]
		possible = append(possible, r.then.withDraft(id, &d)) // carried out, and not deleted yet
	}
	var problems []error
	for _, state := range possible {
		err := s.compare(state)
		if err == nil {
			changed := !maps.Equal(state.live, s.state.live)
			r.then, r.isChange = state, changed
			s.follow(r)
			return
		}
		problems = append(problems, err)
	}
	s.Errorf("after a kill during %s %s %s: %v", r.method, r.path, r.body, errors.Join(problems...))
}

// agrees demands that the node has a state, and that HAProxy accepts its file.
func (s *staged) agrees(state stagedState) {
	s.Helper()
	if err := s.compare(state); err != nil {
		s.Error(err)
	}
}

// compare compares what the node shows, outside of drafts and in each, with a state.
func (s *staged) compare(state stagedState) error {
	if err := s.shows("", state.live); err != nil {
		return err
	}
	var list []struct {
		ID                 string
		Objects, Conflicts []string
	}
	_, body := s.n.try(http.MethodGet, "/drafts", "")
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if len(list) != len(state.drafts) {
		return fmt.Errorf("the drafts are %s, expected %v", body, slices.Sorted(maps.Keys(state.drafts)))
	}
	for _, got := range list {
		d, isKnown := state.drafts[got.ID]
		if !isKnown || !slices.Equal(got.Objects, d.objects()) || !slices.Equal(got.Conflicts, d.conflicts(state.live)) {
			return fmt.Errorf("draft %s changes %v, conflicts %v; expected %v, %v", got.ID, got.Objects, got.Conflicts, d.objects(), d.conflicts(state.live))
		}
		if err := s.shows(got.ID, d.view(state.live)); err != nil {
			return err
		}
	}
	return nil
}

// shows compares the definitions in a draft, or outside of them for "", with what they have
// to be.
func (s *staged) shows(draft string, want definitions) error {
	path := "/definitions"
	if draft != "" {
		path += "?draft=" + draft
	}
	var all struct {
		Frontends map[string]struct{ Rules []struct{ Value string } }
		Backends  map[string]struct{ Host, Version string }
	}
	status, body := s.n.try(http.MethodGet, path, "")
	if err := json.Unmarshal([]byte(body), &all); err != nil || status != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, status, body)
	}
	got := definitions{}
	for key, f := range all.Frontends {
		got["frontend/"+key] = strings.TrimPrefix(f.Rules[0].Value, "/")
	}
	for key, b := range all.Backends {
		got["backend/"+key] = strings.TrimSpace(b.Host + " " + b.Version)
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("%s has %v, expected %v", path, got, want)
	}
	return nil
}

// looksEverywhere demands that HAProxy accepts haproxy.cfg, and that nothing shows what was
// in drafts only.
func (s *staged) looksEverywhere() {
	s.Helper()
	s.n.warns("")
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, s.n.haproxy, "-c", "-f", s.n.path("haproxy.cfg")).CombinedOutput(); err != nil {
		s.Errorf("HAProxy refuses haproxy.cfg: %v\n%s", err, out)
	}
	texts := map[string]string{"haproxy.cfg": s.n.config()}
	data, err := os.ReadFile(s.n.path("persist.json"))
	if err != nil {
		s.Error(err)
	}
	texts["the persistence file"] = string(data)
	for _, path := range []string{
		"/frontends", "/backends", "/definitions", "/revisions?limit=1000", "/activity?limit=1000", "/haproxy/config", "/status", "/metrics",
		fmt.Sprintf("/revisions/0..%d", s.revision),
	} {
		_, texts[path] = s.n.try(http.MethodGet, path, "")
	}
	s.mu.Lock()
	texts["/streams"] = s.streamed.String()
	s.mu.Unlock()
	for where, text := range texts {
		for _, mark := range markPattern.FindAllString(text, -1) {
			if !s.public[mark] {
				s.Errorf("%s shows %s, which was in drafts only", where, mark)
			}
		}
	}
}

// listens keeps what a client of /streams is sent until the agent ends.
func (s *staged) listens() {
	s.Helper()
	ctx := s.Context()
	conn, res, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/streams", s.n.api), &websocket.DialOptions{Subprotocols: []string{"thalassa.v1"}})
	if err != nil {
		s.Fatal(err)
	}
	if res.Body != nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	conn.SetReadLimit(64 << 20)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"subscribe","topics":["frontends","backends","status","activity"]}`)); err != nil {
		s.Fatal(err)
	}
	go func() {
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.streamed.Write(data)
			s.mu.Unlock()
		}
	}()
}
