package auth_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
)

// A meeting is a cluster whose nodes read each other's documents from a map.
type meeting struct {
	t       *testing.T
	key     string
	store   map[string][]byte
	members map[string]*member
}

// A member is one of its nodes.
type member struct {
	*auth.Sessions
	meeting *meeting
	shared  *auth.SharedSessions
	access  string // file
	dir     string
	ended   []string
	ahead   time.Duration // of the clock
}

func meet(t *testing.T, access string, nodes ...string) *meeting {
	t.Helper()
	m := &meeting{t: t, key: secretFile(t, 48), store: map[string][]byte{}, members: map[string]*member{}}
	for _, node := range nodes {
		m.join(node, access)
	}
	return m
}

func secretFile(t *testing.T, size int) string {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.Read(data)
	path := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

func (m *meeting) join(node, access string) *member {
	m.t.Helper()
	dir := m.t.TempDir()
	n := &member{meeting: m, access: filepath.Join(dir, "access.yaml"), dir: dir}
	must(m.t, os.WriteFile(n.access, []byte(access), 0o600))
	m.members[node] = n
	n.start(node)
	return n
}

// start starts the node's agent again.
func (n *member) start(node string) { n.startWith(node, true) }

func (n *member) startWith(node string, keeps bool) {
	t := n.meeting.t
	t.Helper()
	now := func() time.Time { return time.Now().Add(n.ahead) }
	access, err := auth.OpenAccess(n.access, now, nil)
	must(t, err)
	n.Sessions = auth.NewSessions(auth.NewAuthority(nil, access), now)
	if keeps {
		n.Keep(filepath.Join(n.dir, "sessions.json"), slog.New(slog.DiscardHandler))
	}
	key, err := auth.ReadClusterKey(n.meeting.key, "thalassa/sessions/")
	must(t, err)
	n.shared = n.Share(auth.ShareConfig{Node: node, Key: key, Path: filepath.Join(n.dir, "nodes.json")})
}

// tell has a node write its document.
func (m *meeting) tell(node string) {
	m.t.Helper()
	sealed, version, err := m.members[node].shared.Document()
	must(m.t, err)
	m.store[node] = sealed
	m.members[node].shared.Published(sealed, version, nil)
}

// hear has a node read all documents.
func (m *meeting) hear(node string) {
	n := m.members[node]
	merged := n.shared.Merge(maps.Clone(m.store))
	for _, s := range append(merged.Ended, n.shared.Sweep()...) {
		n.ended = append(n.ended, s.ID)
	}
	if merged.Again {
		m.tell(node)
	}
}

// talk has all nodes tell and hear until all know everything.
func (m *meeting) talk() {
	m.t.Helper()
	for range 3 {
		for _, node := range slices.Sorted(maps.Keys(m.members)) {
			m.tell(node)
		}
		for _, node := range slices.Sorted(maps.Keys(m.members)) {
			m.hear(node)
		}
	}
}

// login begins a session of ann.
func (n *member) login() string {
	n.meeting.t.Helper()
	access, err := auth.OpenAccess(n.access, time.Now, nil)
	must(n.meeting.t, err)
	_, proof, ok, err := auth.NewAuthority(nil, access).Password(context.Background(), "ann", passwordOfAnn)
	if err != nil || !ok {
		n.meeting.t.Fatal(ok, err)
	}
	id, _, ok := n.Begin(proof, "192.0.2.1")
	if !ok {
		n.meeting.t.Fatal("no session")
	}
	return id
}

func (m *meeting) holds(id string, want ...string) {
	m.t.Helper()
	var got []string
	for _, node := range slices.Sorted(maps.Keys(m.members)) {
		if _, ok := m.members[node].Find(id); ok {
			got = append(got, node)
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("the session holds on %v, expected %v", got, want)
	}
}

const passwordOfAnn = "correct horse battery"

// annAs is an access file with ann.
func annAs(t *testing.T, role string) string {
	t.Helper()
	hash, err := auth.HashPassword(passwordOfAnn)
	must(t, err)
	return fmt.Sprintf("users:\n  - {name: ann, role: %s, password: '%s'}\n  - {name: bob, role: read, password: '%s'}\n", role, hash, hash)
}

func TestSessionsHoldOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs(t, "admin")
		m := meet(t, access, "a", "b", "c")
		id := m.members["a"].login()
		m.holds(id, "a")
		m.talk()
		m.holds(id, "a", "b", "c")
		if list := m.members["b"].List("ann"); len(list) != 1 || list[0].Node != "a" {
			t.Errorf("listed at b: %+v", list)
		}

		m.members["b"].End(id) // a logout on another node
		m.holds(id, "a", "c")
		m.talk()
		m.holds(id)
		if want := []string{auth.SessionID(id)}; !slices.Equal(m.members["a"].ended, want) || !slices.Equal(m.members["c"].ended, want) {
			t.Errorf("told: %v, %v", m.members["a"].ended, m.members["c"].ended)
		}

		id = m.members["a"].login()
		m.talk()
		if !m.members["c"].EndListed(auth.SessionID(id), "") { // an admin elsewhere
			t.Error("not ended")
		}
		m.talk()
		m.holds(id)

		id = m.members["a"].login()
		m.talk()
		m.members["a"].End(id)
		m.talk()
		m.holds(id)
	})
}

// The access file of each node says what a session may do there; whom one node does not know
// any more, no node does.
func TestSessionsFollowTheFilesOfTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs(t, "admin")
		m := meet(t, access, "a", "b")
		other := m.join("c", annAs(t, "read")) // another hash of the same password
		must(t, os.WriteFile(m.members["b"].access, []byte(strings.Replace(access, "role: admin", "role: read", 1)), 0o600))
		time.Sleep(2 * time.Second)
		id := m.members["a"].login()
		m.talk()
		m.holds(id, "a", "b")
		if s, _ := m.members["b"].Find(id); s.Role != auth.Read {
			t.Errorf("role %v at b", s.Role)
		}
		_ = other

		_, bob, _ := strings.Cut(access, "  - {name: bob")
		must(t, os.WriteFile(m.members["b"].access, []byte("users:\n  - {name: bob"+bob), 0o600))
		time.Sleep(2 * time.Second)
		m.holds(id, "a")
		m.talk()
		m.holds(id)
	})
}

// Nobody has to use a session for its end to be found out.
func TestSessionsOfRemovedUsersEndUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs(t, "admin")
		m := meet(t, access, "a", "b")
		id := m.members["a"].login()
		m.talk()
		must(t, os.WriteFile(m.members["a"].access, []byte(strings.Replace(access, "name: ann", "name: amy", 1)), 0o600))
		time.Sleep(2 * time.Second)
		m.talk()
		m.holds(id)
	})
}

func TestForgedAndOldDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs(t, "admin")
		m := meet(t, access, "a", "b")
		id := m.members["a"].login()
		m.talk()
		old := m.store["a"]
		time.Sleep(time.Second)
		m.members["a"].End(id)
		m.talk()
		m.holds(id)

		m.store["a"] = old
		m.hear("b")
		m.holds(id)
		problems := strings.Join(m.members["b"].shared.Problems(), "\n")
		if !strings.Contains(problems, "old document") {
			t.Errorf("problems: %s", problems)
		}
		late := m.join("late", access) // a node that never knew
		m.hear("late")
		if _, ok := late.Find(id); ok {
			t.Error("a node that has just joined takes the old document")
		}
		m.members["b"].start("b") // and one that has been restarted
		m.hear("b")
		m.holds(id)
		time.Sleep(10 * time.Second)
		m.hear("a") // which writes it again
		m.talk()
		if problems := m.members["b"].shared.Problems(); len(problems) > 0 {
			t.Errorf("problems: %q", problems)
		}

		right := m.store["a"]
		for what, forged := range map[string][]byte{
			"of another node": m.store["b"], "empty": {}, "cut": right[:len(right)-1], "no document": []byte(strings.Repeat("x", 300)),
			"changed": append(slices.Clone(right[:40]), append([]byte{right[40] ^ 1}, right[41:]...)...), "large": make([]byte, auth.MaxDocument+1),
		} {
			m.store["a"] = forged
			m.hear("b")
			if problems := strings.Join(m.members["b"].shared.Problems(), "\n"); !strings.Contains(problems, "sessions of node a are not taken over") {
				t.Errorf("%s: %q", what, problems)
			}
		}
		m.store["a"] = right

		id = m.members["a"].login()
		m.talk()
		delete(m.store, "a") // removed by somebody: what it said is known
		m.hear("b")
		m.holds(id, "a", "b", "late")
	})
}

// Names of forged documents take no memory, and no place of a node.
func TestManyForgedDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs(t, "admin"), "z1", "z2")
		for i := range 5000 {
			m.store[fmt.Sprintf("forged-%d", i)] = []byte("forged forged forged forged")
			m.store[fmt.Sprintf("no/name\x1b[31m-%d", i)] = nil
		}
		id := m.members["z1"].login()
		m.talk()
		m.holds(id, "z1", "z2")
		problems := m.members["z2"].shared.Problems()
		if text := strings.Join(problems, "\n"); len(problems) > 10 || !strings.Contains(text, "of 9992 more nodes") || strings.Contains(text, "\x1b") {
			t.Errorf("%d problems: %q", len(problems), problems)
		}
	})
}

func TestSharedSessionsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs(t, "admin"), "a", "b")
		id := m.members["a"].login()
		m.talk()
		for range 5 { // used on the other node alone
			time.Sleep(auth.IdleLifetime / 2)
			m.at(t, "b", id, true)
			m.talk()
		}
		m.holds(id, "a", "b")
		time.Sleep(auth.SessionLifetime - 5*auth.IdleLifetime/2 - time.Minute)
		m.holds(id, "a", "b")
		m.talk()
		time.Sleep(time.Minute)
		m.holds(id)

		id = m.members["a"].login()
		m.talk()
		time.Sleep(auth.IdleLifetime)
		m.talk()
		m.holds(id)
	})
}

func (m *meeting) at(t *testing.T, node, id string, want bool) {
	t.Helper()
	if _, ok := m.members[node].Find(id); ok != want {
		t.Errorf("at %s: %v", node, ok)
	}
}

// Clocks differ: a session ends early or late by that, and is not ended elsewhere.
func TestSharedSessionsAndClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs(t, "admin")
		m := meet(t, access, "a")
		ahead, behind, wrong := m.join("ahead", access), m.join("behind", access), m.join("wrong", access)
		ahead.ahead, behind.ahead, wrong.ahead = 3*time.Minute, -3*time.Minute, -24*time.Hour
		id := m.members["a"].login()
		m.talk()
		m.holds(id, "a", "ahead", "behind") // the other one says why
		if text := strings.Join(wrong.shared.Problems(), "\n"); !strings.Contains(text, "clock of node a differs by 24h") {
			t.Errorf("problems: %s", text)
		}
		time.Sleep(auth.IdleLifetime - 10*time.Minute)
		m.holds(id, "a", "ahead", "behind")
		m.talk()
		time.Sleep(auth.IdleLifetime - 10*time.Minute)
		m.holds(id, "a", "ahead", "behind")
		m.talk()
		time.Sleep(2 * time.Hour)
		m.holds(id, "a", "ahead", "behind")
		m.talk()
		time.Sleep(auth.SessionLifetime - 2*auth.IdleLifetime - 2*time.Hour + 19*time.Minute) // a minute before its end
		m.talk()
		m.holds(id, "a", "behind")
		time.Sleep(time.Minute)
		m.holds(id)
	})
}

func TestSharedSessionsOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs(t, "admin"), "a", "b")
		id, second := m.members["a"].login(), m.members["a"].login()
		m.talk()
		m.members["b"].start("b") // without Consul
		m.holds(id, "a", "b")
		m.members["b"].End(second) // which a does not hear of
		m.tell("b")
		m.members["b"].start("b")
		m.at(t, "b", second, false)
		m.members["a"].start("a")
		m.at(t, "a", second, true) // not known yet
		m.hear("a")
		m.holds(second)
		m.talk()
		m.holds(id, "a", "b")
		if m.members["a"].ended == nil {
			t.Error("not told")
		}
	})
}

func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs(t, "admin"), "a")
		n := m.members["a"]
		m.tell("a")
		n.login()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n.shared.Told(ctx) {
			t.Error("told without a document")
		}
		done := make(chan bool)
		go func() { done <- n.shared.Told(t.Context()) }()
		synctest.Wait()
		m.tell("a")
		if !<-done {
			t.Error("not told")
		}
		n.login()
		n.shared.Published(nil, 0, errors.New("away"))
		if n.shared.Told(t.Context()) { // at once
			t.Error("told while the store is away")
		}
	})
}

// What one node tells stays within what Consul takes.
func TestDocumentsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs(t, "admin"), "a", "b")
		m.members["a"].startWith("a", false)
		proof := m.proof()
		var first, last string
		for i := range 1000 {
			time.Sleep(time.Second)
			id, _, _ := m.members["a"].Begin(proof, strings.Repeat("f", 40))
			if last = id; i == 0 {
				first = id
			}
		}
		m.talk()
		m.holds(first, "a")
		m.holds(last, "a", "b")
		if len(m.store["a"]) > auth.MaxDocument {
			t.Errorf("%d bytes", len(m.store["a"]))
		}
		if text := strings.Join(m.members["a"].shared.Problems(), "\n"); !strings.Contains(text, "200 sessions") {
			t.Errorf("problems: %s", text)
		}
	})
}

func (m *meeting) proof() auth.Proof {
	m.t.Helper()
	access, err := auth.OpenAccess(m.members["a"].access, time.Now, nil)
	must(m.t, err)
	_, proof, _, err := auth.NewAuthority(nil, access).Password(context.Background(), "ann", passwordOfAnn)
	must(m.t, err)
	return proof
}

func TestClusterKeys(t *testing.T) {
	for what, content := range map[string]string{"short": "abcdefghijklmnopqrstuvwxyz01234", "zeros": strings.Repeat("\x00", 64), "empty": ""} {
		path := filepath.Join(t.TempDir(), "key")
		must(t, os.WriteFile(path, []byte(content), 0o600))
		if _, err := auth.ReadClusterKey(path, "x"); err == nil || !strings.Contains(err.Error(), "at least 32 random bytes") {
			t.Errorf("%s: %v", what, err)
		}
	}
	path := secretFile(t, 32)
	if _, err := auth.ReadClusterKey(path, "x"); err != nil {
		t.Error(err)
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := auth.ReadClusterKey(path, "x"); err == nil || !strings.Contains(err.Error(), "mode 0644") {
		t.Errorf("readable by others: %v", err)
	}
}
