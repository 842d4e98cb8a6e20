package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
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
	acks    map[string][]byte
	members map[string]*member
}

// A member is one of its nodes.
type member struct {
	*auth.Sessions
	meeting *meeting
	shared  *auth.SharedSessions
	access  string // file
	dir     string
	file    string        // of the other nodes' sessions
	system  auth.Accounts // nil: it has none
	ended   []string
	ahead   time.Duration // of the clock
}

func meet(t *testing.T, access string, nodes ...string) *meeting {
	t.Helper()
	m := &meeting{t: t, key: secretFile(t, 48), store: map[string][]byte{}, acks: map[string][]byte{}, members: map[string]*member{}}
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
	n := &member{meeting: m, access: filepath.Join(dir, "access.yaml"), dir: dir, file: "nodes.json"}
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
	authority := auth.NewAuthority(nil, access)
	if n.system != nil {
		authority.UseAccounts(n.system)
	}
	n.Sessions = auth.NewSessions(authority, now)
	if keeps {
		n.Keep(filepath.Join(n.dir, "sessions.json"), slog.New(slog.DiscardHandler))
	}
	key, err := auth.ReadClusterKey(n.meeting.key, "thalassa/sessions/")
	must(t, err)
	n.shared = n.Share(auth.ShareConfig{Node: node, Key: key, Path: filepath.Join(n.dir, n.file)})
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
	n.shared.Complete(true)
	n.shared.MergeAcknowledgements(maps.Clone(m.acks))
	if sealed, stored := n.shared.Acknowledgement(); sealed != nil {
		m.acks[node] = sealed
		stored()
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

const passwordOfAnn = "correct horse"

// otherCorrectHorse is another hash of passwordOfAnn.
const otherCorrectHorse = "$argon2id$v=19$m=64,t=1,p=1$YW5vdGhlciBzYWx0IG9mIGl0$axN55FreAsDEzp630DL7eZhuXap7SJJhAEYqz7CaiwM"

// annAs is an access file with ann.
func annAs(role string) string {
	return fmt.Sprintf("users:\n  - {name: ann, role: %s, password: '%s'}\n  - {name: bob, role: read, password: '%s'}\n", role, correctHorse, correctHorse)
}

func TestSessionsHoldOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs("admin")
		m := meet(t, access, "a", "b", "c")
		id := m.members["a"].login()
		m.holds(id, "a")
		m.talk()
		m.holds(id, "a", "b", "c")
		if list := m.members["b"].List("ann"); len(list) != 1 || list[0].Node != "a" {
			t.Errorf("listed at b: %+v", list)
		}

		must(t, m.members["b"].End(id)) // a logout on another node
		m.holds(id, "a", "c")
		m.talk()
		m.holds(id)
		if want := []string{auth.SessionID(id)}; !slices.Equal(m.members["a"].ended, want) || !slices.Equal(m.members["c"].ended, want) {
			t.Errorf("told: %v, %v", m.members["a"].ended, m.members["c"].ended)
		}

		id = m.members["a"].login()
		m.talk()
		if ended, err := m.members["c"].EndListed(auth.SessionID(id), ""); !ended || err != nil { // an admin elsewhere
			t.Error("not ended")
		}
		m.talk()
		m.holds(id)

		id = m.members["a"].login()
		m.talk()
		must(t, m.members["a"].End(id))
		m.talk()
		m.holds(id)
	})
}

// The access file of each node says what a session may do there; whom one node does not know
// any more, no node does.
func TestSessionsFollowTheFilesOfTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access := annAs("admin")
		m := meet(t, access, "a", "b")
		other := m.join("c", strings.ReplaceAll(annAs("read"), correctHorse, otherCorrectHorse))
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
		access := annAs("admin")
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
		access := annAs("admin")
		m := meet(t, access, "a", "b")
		id := m.members["a"].login()
		m.talk()
		old := m.store["a"]
		time.Sleep(time.Second)
		must(t, m.members["a"].End(id))
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
		m := meet(t, annAs("admin"), "z1", "z2")
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
		m := meet(t, annAs("admin"), "a", "b")
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
		access := annAs("admin")
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
		m := meet(t, annAs("admin"), "a", "b")
		id, second := m.members["a"].login(), m.members["a"].login()
		m.talk()
		m.members["b"].start("b") // without Consul
		m.holds(id, "a", "b")
		must(t, m.members["b"].End(second)) // which a does not hear of
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

// What has ended on this node stays ended after a restart without Consul, also if nobody could be
// told of it, and where the file cannot be written.
func TestEndedSessionsOfOtherNodesStayEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs("admin"), "a", "b")
		ids := []string{m.members["a"].login(), m.members["a"].login(), m.members["a"].login(), m.members["a"].login()}
		m.talk()
		b := m.members["b"]
		must(t, b.End(ids[0]))
		if ended, err := b.EndListed(auth.SessionID(ids[1]), ""); !ended || err != nil {
			t.Error(ended, err)
		}
		b.start("b")
		m.at(t, "b", ids[0], false)
		m.at(t, "b", ids[1], false)
		m.at(t, "b", ids[2], true)

		long := strings.Repeat("n", 250) // no room for the name of a temporary file beside it
		must(t, os.Rename(filepath.Join(b.dir, b.file), filepath.Join(b.dir, long)))
		b.file = long
		b.start("b")
		m.at(t, "b", ids[2], true)
		must(t, b.End(ids[2]))
		b.start("b")
		m.at(t, "b", ids[2], false)

		m.hear("b") // and stores nothing
		m.at(t, "b", ids[3], true)
		must(t, os.Rename(b.dir, b.dir+".away"))
		if err := b.End(ids[3]); err == nil || !strings.Contains(err.Error(), "neither written nor removed") {
			t.Error(err)
		}
		m.at(t, "b", ids[3], false)
		must(t, os.Rename(b.dir+".away", b.dir))
	})
}

func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs("admin"), "a")
		n := m.members["a"]
		m.tell("a")
		m.hear("a")
		n.login()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if reach := n.shared.Told(ctx); reach != auth.ReachThis {
			t.Errorf("%s without a document", reach)
		}
		done := make(chan auth.Reach)
		go func() { done <- n.shared.Told(t.Context()) }()
		synctest.Wait()
		m.tell("a")
		if reach := <-done; reach != auth.ReachAll {
			t.Errorf("%s of one node", reach)
		}
		n.shared.Complete(false)
		if reach := n.shared.Told(t.Context()); reach != auth.ReachSome {
			t.Errorf("%s while there may be nodes that are not known", reach)
		}
		n.login()
		n.shared.Published(nil, 0, errors.New("away"))
		if reach := n.shared.Told(t.Context()); reach != auth.ReachThis { // at once
			t.Errorf("%s while the store is away", reach)
		}
	})
}

// All nodes know of a login once each of them has said that it has read it.
func TestToldByEachNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meet(t, annAs("admin"), "a", "b", "c")
		n := m.members["a"]
		m.talk()
		reach := func(during func()) (auth.Reach, time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			begun, done := time.Now(), make(chan auth.Reach)
			go func() { done <- n.shared.Told(ctx) }()
			synctest.Wait()
			during()
			return <-done, time.Since(begun)
		}
		everybody := func(nodes ...string) func() {
			return func() {
				m.tell("a")
				for _, node := range nodes {
					m.hear(node)
				}
				m.hear("a")
			}
		}
		n.login()
		if got, took := reach(everybody("b", "c")); got != auth.ReachAll || took > 0 {
			t.Errorf("%s after %s", got, took)
		}
		id := n.login()
		m.talk()
		m.holds(id, "a", "b", "c")

		must(t, n.End(id))
		if got, took := reach(everybody("b")); got != auth.ReachSome || took < 2*time.Second {
			t.Errorf("%s after %s, while c has not read it", got, took)
		}
		m.holds(id, "c")
		n.login()
		if got, took := reach(everybody("b")); got != auth.ReachSome || took > 0 { // nobody waits for c again
			t.Errorf("%s after %s, while c is away", got, took)
		}
		// Nobody else says what c has read: neither an old text of c, nor one of b.
		old := m.acks["c"]
		m.acks["c"] = m.acks["b"]
		n.login()
		if got, _ := reach(everybody("b")); got != auth.ReachSome {
			t.Errorf("%s by a text of another node", got)
		}
		m.acks["c"] = old
		m.talk()
		m.holds(id)
		n.login()
		if got, _ := reach(everybody("b", "c")); got != auth.ReachAll {
			t.Errorf("%s after c came back", got)
		}
		m.acks["a"] = nil
		if !n.shared.MergeAcknowledgements(maps.Clone(m.acks)) {
			t.Error("it is not noticed that the own text is gone")
		}
	})
}

// manyTokens is an access file with so many tokens, and what is kept of each.
func manyTokens(count int) (access string, proofs []auth.Proof) {
	text := []byte("tokens:\n")
	for i := range count {
		hash := sha256.Sum256(fmt.Appendf(nil, "token-0123456789-%d", i))
		text = fmt.Appendf(text, "  - {name: ci%d, role: read, sha256: %x}\n", i, hash)
		proofs = append(proofs, auth.Proof{Kind: auth.ByToken, Hash: hash})
	}
	return string(text), proofs
}

// What one node tells stays within what Consul takes. Callers take turns in it: nobody
// pushes out the sessions of others.
func TestDocumentsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access, proofs := manyTokens(11)
		m := meet(t, access, "a", "b")
		m.members["a"].startWith("a", false)
		quiet, _, _ := m.members["a"].Begin(proofs[10], "192.0.2.1")
		var first, last string
		for i := range 1000 {
			time.Sleep(time.Second)
			id, _, _ := m.members["a"].Begin(proofs[i/100], strings.Repeat("f", 40))
			if last = id; i == 0 {
				first = id
			}
		}
		m.talk()
		m.holds(quiet, "a", "b") // the oldest of all
		m.holds(first, "a")
		m.holds(last, "a", "b")
		if len(m.store["a"]) > auth.MaxDocument {
			t.Errorf("%d bytes", len(m.store["a"]))
		}
		if text := strings.Join(m.members["a"].shared.Problems(), "\n"); !strings.Contains(text, "201 sessions") {
			t.Errorf("problems: %s", text)
		}
	})
}

// Whoever logs in again and again pushes out sessions of its own, and those that it uses
// least.
func TestSessionsOfOneCallerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		access, proofs := manyTokens(2)
		m := meet(t, access, "a", "b")
		a := m.members["a"]
		a.startWith("a", false)
		other, _, _ := a.Begin(proofs[0], "192.0.2.1")
		var own []string
		for range 100 {
			time.Sleep(time.Second)
			id, _, _ := a.Begin(proofs[1], "192.0.2.2")
			own = append(own, id)
		}
		a.Find(own[0]) // is in use
		for range 720 {
			id, _, _ := a.Begin(proofs[1], "192.0.2.2")
			own = append(own, id)
			time.Sleep(time.Millisecond)
			a.Find(own[0])
		}
		m.talk()
		m.holds(other, "a", "b")
		m.holds(own[0], "a", "b")
		m.holds(own[1])
		m.holds(own[len(own)-1], "a", "b")
		if list := a.List(ownerOf("ci1")); len(list) != 100 {
			t.Errorf("%d sessions", len(list))
		}
	})
}

// A system has accounts of its own, as another node may have others.
type system struct {
	groups map[string][]string // by the account
	asked  int
	away   bool
}

func (s *system) Login(ctx context.Context, service, user, _ string) (auth.Account, error) {
	return s.Account(ctx, service, user)
}

func (s *system) Account(_ context.Context, _, user string) (auth.Account, error) {
	s.asked++
	groups, ok := s.groups[user]
	switch {
	case s.away:
		return auth.Account{}, errors.New("asking PAM: no such file or directory")
	case !ok:
		return auth.Account{}, &auth.AccountError{User: user, Words: "User account has expired"}
	}
	return auth.Account{Name: user, Groups: groups}, nil
}

// The session of a system's account holds on another node once the system of that node knows
// the account, with the role that its groups have there.
func TestSessionsOfAccountsHoldOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const access = "pam: {groups: {ops: admin, staff: read}}\n"
		systems := map[string]*system{
			"a": {groups: map[string][]string{"ann": {"ops"}, "bob": {"ops"}, "cid": {"ops"}}},
			"b": {groups: map[string][]string{"ann": {"staff"}, "cid": {"nobody"}}},
			"c": {groups: map[string][]string{"ann": {"ops"}}, away: true},
		}
		m := meet(t, access, "a", "b", "c")
		for name, s := range systems {
			m.members[name].system = s
			m.members[name].start(name)
		}
		ask := func() {
			for _, n := range m.members {
				n.shared.AskAccounts(t.Context())
			}
			m.talk()
		}
		login := func(user string) string {
			t.Helper()
			access, err := auth.OpenAccess(m.members["a"].access, time.Now, nil)
			must(t, err)
			authority := auth.NewAuthority(nil, access)
			authority.UseAccounts(systems["a"])
			_, proof, ok, err := authority.Password(t.Context(), user, "right")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			id, _, _ := m.members["a"].Begin(proof, "192.0.2.1")
			return id
		}
		ann, bob, cid := login("ann"), login("bob"), login("cid")
		m.talk()
		m.holds(ann, "a") // nobody else has asked yet
		ask()
		m.holds(ann, "a", "b")
		m.holds(bob, "a") // no account at b
		m.holds(cid, "a") // no role at b
		if s, _ := m.members["b"].Find(ann); s.Role != auth.Read || s.Name != "pam:ann" || s.Node != "a" {
			t.Errorf("at b: %s, role %s, of node %q", s.Name, s.Role, s.Node)
		}
		systems["c"].away = false
		time.Sleep(time.Minute)
		ask()
		m.holds(ann, "a", "b", "c")

		// Who is gone at one node is gone at all.
		delete(systems["b"].groups, "ann")
		m.members["b"].Find(ann)
		m.members["b"].Recheck(t.Context(), auth.ByAccount, func(auth.Session, string) {})
		m.talk()
		m.holds(ann)
		m.holds(bob, "a")
		systems["b"].groups["bob"] = []string{"staff"}
		time.Sleep(time.Minute)
		ask()
		m.holds(bob, "a", "b")
		must(t, m.members["b"].End(bob))
		m.talk()
		m.holds(bob)
	})
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
	seeds := map[string]bool{}
	for _, purpose := range []string{"x", "y", "x"} {
		seed, err := auth.ReadClusterSeed(path, purpose)
		if err != nil || len(seed) < 48 {
			t.Errorf("seed of %d bytes, %v", len(seed), err)
		}
		seeds[string(seed)] = true
	}
	if len(seeds) != 2 {
		t.Errorf("%d seeds of two purposes", len(seeds))
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := auth.ReadClusterKey(path, "x"); err == nil || !strings.Contains(err.Error(), "mode 0644") {
		t.Errorf("readable by others: %v", err)
	}
	if _, err := auth.ReadClusterSeed(path, "x"); err == nil || !strings.Contains(err.Error(), "mode 0644") {
		t.Errorf("a seed of what others read: %v", err)
	}
}
