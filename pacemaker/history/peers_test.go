package history_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// A town is a cluster whose nodes tell each other about their logs: three nodes, of which each has
// an agent until it dies.
type town struct {
	texts

	changed wake.Signal
	rings   map[string]string
	states  map[string]string
	types   map[string]string // of nodes that are no members
	key     history.Key
	now     func() time.Time
	mute    map[string]bool        // nodes whose texts are not passed
	loud    int                    // how much noise a line of a log has, in bytes
	broken  map[string]int         // how often the log of a node cannot be read
	reads   map[string][]time.Time // when the log of a node was read
}

// A quarter is what a node has of it.
type quarter struct {
	exchange

	town *town
}

func (q quarter) Ring(_ context.Context, value string) error {
	q.town.mu.Lock()
	q.town.rings[q.node] = value
	q.town.mu.Unlock()
	q.town.changed.Broadcast()
	return nil
}

func (q quarter) Say(ctx context.Context, text string) error {
	q.town.mu.Lock()
	mute := q.town.mute[q.node]
	q.town.mu.Unlock()
	if mute {
		return errors.New("Pacemaker does not answer")
	}
	return q.exchange.Say(ctx, text)
}

func (q quarter) Rings() map[string]string {
	q.town.mu.Lock()
	defer q.town.mu.Unlock()
	return maps.Clone(q.town.rings)
}

func (x *town) view(self string) cluster.Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	v := cluster.Status{Self: self, State: "ok"}
	for _, name := range slices.Sorted(maps.Keys(x.states)) {
		v.Nodes = append(v.Nodes, cluster.Node{Name: name, Type: x.types[name], State: x.states[name]})
	}
	return v
}

// rang is the last value by which a node has woken the others.
func (x *town) rang(node string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rings[node]
}

func newTown(t *testing.T) *town {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := auth.ReadClusterKey(file, "test")
	if err != nil {
		t.Fatal(err)
	}
	return &town{
		texts: texts{said: map[string]string{"n9": "garbage"}}, rings: map[string]string{}, states: map[string]string{"n1": "online", "n2": "online", "n3": "online"},
		key: key, now: time.Now, mute: map[string]bool{}, broken: map[string]int{}, reads: map[string][]time.Time{},
	}
}

// An agent is that of a node, with its archive.
type agent struct {
	*history.Peers

	archive *history.Archive
	die     func()
}

// agent starts that of a node, which logs a line each second with its name and a secret.
func (x *town) agent(t *testing.T, node, kept string) agent {
	t.Helper()
	return x.agentWith(t, node, kept, func(*history.Archive) {})
}

// agentWith starts an agent whose archive has something from the beginning.
func (x *town) agentWith(t *testing.T, node, kept string, fill func(*history.Archive)) agent {
	t.Helper()
	archive := open(t, t.TempDir(), history.Bounds{})
	fill(archive)
	return x.agentOf(t, node, kept, history.Past{Archive: archive, Elsewhere: &history.Elsewhere{
		Lines: func(_ context.Context, from, to time.Time) (list []cluster.LogLine, sources []cluster.LogSource, more bool) {
			if x.breaks(node) {
				return nil, []cluster.LogSource{{Name: "journal", Problem: "journalctl has not answered in time"}}, false
			}
			for at := from.Truncate(time.Second).Add(time.Second); !at.After(to); at = at.Add(time.Second) {
				list = append(list, cluster.LogLine{Time: at.UTC(), Source: "pacemaker.log", Daemon: "pacemaker-controld", Text: node + " says " + secret + x.noise(at)})
			}
			return list, nil, false
		},
	}})
}

// agentOf starts an agent with a past.
func (x *town) agentOf(t *testing.T, node, kept string, own history.Past) agent {
	t.Helper()
	lines, err := history.OpenKeptLines(kept)
	if err != nil {
		t.Fatal(err)
	}
	a := agent{archive: own.Archive}
	a.Peers = history.NewPeers(history.PeersConfig{
		Past: own, Bell: quarter{exchange{&x.texts, node}, x}, Key: x.key, Kept: lines,
		View: func() cluster.Status { return x.view(node) }, Changed: x.changed.Next, Now: x.now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	a.die = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(a.die)
	return a
}

// breaks reports whether the log of a node cannot be read this time.
func (x *town) breaks(node string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reads[node] = append(x.reads[node], time.Now())
	x.broken[node]--
	return x.broken[node] >= 0
}

// noise is text that cannot be compressed, so many bytes in a line.
func (x *town) noise(at time.Time) string {
	var b strings.Builder
	for n := 0; b.Len() < x.loud; n++ {
		sum := sha256.Sum256([]byte(strconv.FormatInt(at.UnixNano()+int64(n), 10)))
		b.WriteString(" " + hex.EncodeToString(sum[:]))
	}
	return b.String()
}

// ofN2 are the times of the lines of n2.
func ofN2(log cluster.Logged) (times []time.Time) {
	for _, l := range log.Lines {
		if l.Node == "n2" {
			times = append(times, l.Time)
		}
	}
	return times
}

func TestLogsOfTheOtherNodes(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	kept := t.TempDir()
	n1, n2 := x.agent(t, "n1", kept), x.agent(t, "n2", t.TempDir()) // n3 has no agent
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	for _, a := range []agent{n1, n2} { // whose inputs have the secret
		add(t, a.archive, "pe-input-1.bz2", input(at.Add(-time.Hour), 1, false, "0s"))
	}
	begin := time.Now()
	log := n1.Between(t.Context(), at, at.Add(10*time.Second), true)
	if got := ofN2(log); len(got) != 10 || got[0].Sub(at) != time.Second || !slices.Equal(log.Missing, []string{"n3"}) || log.Node != "n1" {
		t.Errorf("the log is %+v", log)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	x.mu.Lock()
	for _, text := range x.said {
		if plain, _ := base64.StdEncoding.DecodeString(text); strings.Contains(string(plain), "says") {
			t.Error("lines are told in clear")
		}
	}
	rang := x.rings["n1"]
	x.mu.Unlock()
	for _, l := range log.Lines {
		if strings.Contains(l.Text, secret) {
			t.Errorf("a line has a secret: %s", l.Text)
		}
	}
	// What is known is not asked for again, and there when the node is not.
	n2.die()
	x.mu.Lock()
	delete(x.said, "n2")
	x.states["n2"] = "offline"
	x.mu.Unlock()
	begin = time.Now()
	log = n1.Between(t.Context(), at.Add(2*time.Second), at.Add(5*time.Second), true)
	if got := ofN2(log); len(got) != 4 || !slices.Equal(log.Missing, []string{"n3"}) || time.Since(begin) > 2*time.Second || x.rang("n1") != rang {
		t.Errorf("once more, after %s: %+v", time.Since(begin), log)
	}
	// What nobody has told is missing, and nobody is asked who is not there.
	log = n1.Between(t.Context(), at.Add(-time.Hour), at.Add(5*time.Second), false)
	if !slices.Equal(log.Missing, []string{"n2", "n3"}) || len(ofN2(log)) == 0 {
		t.Errorf("more than is known: %+v", log)
	}
	// After a restart, it is still there.
	n1.die()
	again := x.agent(t, "n1", kept)
	if log := again.Between(t.Context(), at, at.Add(10*time.Second), false); len(ofN2(log)) != 10 {
		t.Errorf("after a restart: %+v", log)
	}
}

// After a transition, each node tells the others what it has logged around it, without being asked:
// also when it looks as early as it may, because its agent begins with the transition.
func TestNodesTellTheirLogs(t *testing.T) {
	for _, after := range []time.Duration{0, 400 * time.Millisecond, 999 * time.Millisecond, 2 * time.Second, 7 * time.Second, 10 * time.Second} {
		for _, told := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				<-time.After(time.Until(noon)) // the archive keeps nothing that is old
				x := newTown(t)
				n1, at := x.agent(t, "n1", t.TempDir()), time.Now()
				<-time.After(after)
				input := input(at, 1, false, "0s")
				x.agentWith(t, "n2", t.TempDir(), func(a *history.Archive) { add(t, a, "pe-warn-1.bz2", input) })
				add(t, n1.archive, "pe-warn-1.bz2", input)
				if told {
					synctest.Wait()
					x.changed.Broadcast()
				}
				<-time.After(time.Minute)
				log := n1.Between(t.Context(), at.Add(-5*time.Second), at.Add(5*time.Second), false)
				if got := ofN2(log); len(got) != 11 || slices.Contains(log.Missing, "n2") {
					t.Errorf("begun %s after it, told of it %t: n1 has %d lines of n2, missing are %v", after, told, len(got), log.Missing)
				}
				if x.rang("n1")+x.rang("n2") != "" {
					t.Error("somebody was woken")
				}
			})
		}
	}
}

// A log that cannot be read at once is read again: lines that are told without it would be taken for
// all. One that can never be read keeps nobody waiting.
func TestLogThatCannotBeRead(t *testing.T) {
	for broken, want := range map[int]int{2: 11, 1000: 0} {
		synctest.Test(t, func(t *testing.T) {
			<-time.After(time.Until(noon)) // the archive keeps nothing that is old
			x := newTown(t)
			x.broken["n2"] = broken
			n1, n2, at := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir()), time.Now()
			add(t, n2.archive, "pe-warn-1.bz2", input(at, 1, false, "0s"))
			x.changed.Broadcast()
			<-time.After(time.Minute)
			log := n1.Between(t.Context(), at.Add(-5*time.Second), at.Add(5*time.Second), false)
			if got := ofN2(log); len(got) != want || slices.Contains(log.Missing, "n2") {
				t.Errorf("after %d reads in vain, n1 has %d lines of n2, missing are %v", broken, len(got), log.Missing)
			}
			old := at.Add(-time.Hour)
			log = n1.Between(t.Context(), old, old.Add(10*time.Second), true)
			if slices.Contains(log.Missing, "n2") {
				t.Errorf("after %d reads in vain, n2 has not answered", broken)
			}
		})
	}
}

// A log that cannot be read is read again later, however often somebody wakes its node. Nothing waits
// for that, and a log that could not be read before is no reason to try again.
func TestReadsInVainAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		x.broken["n2"], x.states["n3"] = 1000, "offline"
		n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
		transition := func(n, lines int, reads ...time.Duration) {
			t.Helper()
			at, before := time.Now(), len(x.readsOfN2())
			add(t, n2.archive, fmt.Sprintf("pe-warn-%d.bz2", n), input(at, n, false, "0s"))
			for wakes := range 200 {
				if err := (quarter{town: x, exchange: exchange{node: "n3"}}).Ring(t.Context(), fmt.Sprintf("%d-%d", n, wakes)); err != nil {
					t.Error(err)
				}
				<-time.After(300 * time.Millisecond)
			}
			got := x.readsOfN2()[before:]
			if len(got) != len(reads) {
				t.Fatalf("transition %d: read at %v, expected %d reads", n, got, len(reads))
			}
			for i := range reads {
				if i > 0 && got[i].Sub(got[i-1]) < reads[i] {
					t.Errorf("transition %d: read %s after read %d, expected %s", n, got[i].Sub(got[i-1]), i-1, reads[i])
				}
			}
			if log := n1.Between(t.Context(), at.Add(-5*time.Second), at.Add(5*time.Second), false); len(ofN2(log)) != lines || slices.Contains(log.Missing, "n2") {
				t.Errorf("transition %d: %d lines of n2, missing are %v", n, len(ofN2(log)), log.Missing)
			}
		}
		transition(1, 0, 0, 2*time.Second, 4*time.Second)
		transition(2, 0, 0)
		x.setBroken("n2", 0)
		transition(3, 11, 0)
		x.setBroken("n2", 2)
		transition(4, 11, 0, 2*time.Second, 4*time.Second)

		x.setBroken("n2", 1)
		before := len(x.readsOfN2())
		add(t, n2.archive, "pe-warn-5.bz2", input(time.Now(), 5, false, "0s"))
		x.changed.Broadcast()
		for len(x.readsOfN2()) == before {
			<-time.After(50 * time.Millisecond)
		}
		begin, old := time.Now(), time.Now().Add(-time.Hour)
		log := n1.Between(t.Context(), old, old.Add(10*time.Second), true)
		if took := time.Since(begin); len(ofN2(log)) != 10 || took >= 1900*time.Millisecond {
			t.Errorf("a question meanwhile: %d lines after %s", len(ofN2(log)), took)
		}
	})
}

// Who asks has an answer in time, also of a node whose log cannot be read.
func TestQuestionAboutALogThatCannotBeRead(t *testing.T) {
	for broken, want := range map[int]int{1: 10, 1000: 0} {
		synctest.Test(t, func(t *testing.T) {
			<-time.After(time.Until(noon)) // the archive keeps nothing that is old
			x := newTown(t)
			x.broken["n2"] = broken
			n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
			old := time.Now().Add(-time.Hour)
			add(t, n2.archive, "pe-input-1.bz2", input(old, 1, false, "0s"))
			if log := n1.Between(t.Context(), old, old.Add(10*time.Second), true); len(ofN2(log)) != want || slices.Contains(log.Missing, "n2") {
				t.Errorf("after %d reads in vain: %d lines, missing are %v", broken, len(ofN2(log)), log.Missing)
			}
			if reads := x.readsOfN2(); len(reads) != 2 || reads[1].Sub(reads[0]) < 2*time.Second {
				t.Errorf("after %d reads in vain, it was read at %v", broken, reads)
			}
		})
	}
}

func (x *town) setBroken(node string, times int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.broken[node] = times
}

func (x *town) readsOfN2() []time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.reads["n2"])
}

// A past has the lines of all nodes by time, each with its node.
func TestLogOfAllNodes(t *testing.T) {
	p := history.Past{Archive: open(t, t.TempDir(), history.Bounds{})}
	line := func(node string, second int, text string) cluster.LogLine {
		return cluster.LogLine{Time: noon.Add(time.Duration(second) * time.Second), Node: node, Source: "pacemaker.log", Text: text}
	}
	p.Elsewhere = &history.Elsewhere{Lines: func(context.Context, time.Time, time.Time) ([]cluster.LogLine, []cluster.LogSource, bool) {
		return []cluster.LogLine{line("", 1, "same"), line("", 3, "mine")}, nil, false
	}}
	p.Others = func(context.Context, time.Time, time.Time, bool) cluster.Logged {
		return cluster.Logged{Node: "n1", Lines: []cluster.LogLine{line("n2", 2, "theirs"), line("n2", 1, "same")}, Missing: []string{"n3"}}
	}
	log := p.Log(t.Context(), noon, noon.Add(time.Minute), 3)
	var got []string
	for _, l := range log.Lines {
		got = append(got, l.Node+" "+l.Text)
	}
	if !slices.Equal(got, []string{"n2 same", "n2 theirs", "n1 mine"}) || !log.More || log.Node != "n1" || !slices.Equal(log.Missing, []string{"n3"}) {
		t.Errorf("the log is %+v", log)
	}
}

// A node tells the others no line while it does not know what is secret in it, and is missing then.
func TestLinesWithUnknownSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	delete(x.states, "n3")
	var later atomic.Int64
	x.now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	own := history.Past{Archive: open(t, t.TempDir(), history.Bounds{}), Tools: journalWith(t, old.Add(time.Second), "logging in as "+secret+" failed")}
	var known atomic.Bool
	live := liveSecrets(t)
	own.Secrets = func() (pacemaker.Secrets, bool) {
		if !known.Load() {
			return pacemaker.Secrets{}, false
		}
		return live()
	}
	n1 := x.agent(t, "n1", t.TempDir())
	x.agentOf(t, "n2", t.TempDir(), own)
	isFenced := func(l cluster.LogLine) bool { return l.Node == "n2" && l.Daemon == "pacemaker-fenced" }
	if log := n1.Between(t.Context(), old, old.Add(10*time.Second), true); len(ofN2(log)) > 0 || !slices.Equal(log.Missing, []string{"n2"}) {
		t.Errorf("while nothing is known, the lines are %+v, missing are %v", log.Lines, log.Missing)
	}
	known.Store(true)
	later.Store(int64(time.Minute)) // n2 is not taken for silent any more
	log := n1.Between(t.Context(), old, old.Add(10*time.Second), true)
	if i := slices.IndexFunc(log.Lines, isFenced); i < 0 || strings.Contains(log.Lines[i].Text, secret) || len(log.Missing) > 0 {
		t.Errorf("when it is known, the lines are %+v, missing are %v", log.Lines, log.Missing)
	}
}

// Remote nodes and guests have no agent: nobody waits for their lines, and nobody lacks them.
func TestOnlyMembersAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		x.states["far"], x.states["web"] = "online", "offline"
		x.types = map[string]string{"n1": "member", "n2": "member", "far": "remote", "web": "guest"}
		delete(x.states, "n3")
		n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
		old := time.Now().Add(-time.Hour)
		add(t, n2.archive, "pe-input-1.bz2", input(old, 1, false, "0s"))
		begin := time.Now()
		log := n1.Between(t.Context(), old, old.Add(10*time.Second), true)
		if took := time.Since(begin); len(ofN2(log)) != 10 || len(log.Missing) > 0 || took > 3*time.Second {
			t.Errorf("after %s there are %d lines of n2, missing are %v", took, len(ofN2(log)), log.Missing)
		}
	})
}

// Pacemaker that does not answer is no end of it.
func TestPeersWithoutPacemaker(t *testing.T) {
	x := newTown(t)
	n1 := x.agent(t, "n1", t.TempDir())
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("late"))
	defer cancel()
	log := n1.Between(ctx, noon, noon.Add(time.Second), true)
	if !slices.Equal(log.Missing, []string{"n2", "n3"}) || len(log.Lines) > 0 {
		t.Errorf("the log is %+v", log)
	}
}

// What could not be said is said when Pacemaker answers again.
func TestLinesThatCouldNotBeSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
		at := time.Now()
		x.setMute("n2", true)
		add(t, n2.archive, "pe-warn-1.bz2", input(at, 1, false, "0s"))
		x.changed.Broadcast()
		<-time.After(20 * time.Second)
		n1.Between(t.Context(), at.Add(-time.Hour), at.Add(-50*time.Minute), true) // which is not answered either
		x.setMute("n2", false)
		<-time.After(3 * time.Minute)
		for _, from := range []time.Time{at.Add(-9 * time.Second), at.Add(-time.Hour)} {
			if log := n1.Between(t.Context(), from, from.Add(10*time.Second), false); slices.Contains(log.Missing, "n2") || len(ofN2(log)) < 10 {
				t.Errorf("of %s are %d lines, missing are %v", from, len(ofN2(log)), log.Missing)
			}
		}
	})
}

func (x *town) setMute(node string, mute bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mute[node] = mute
}

// An incident of many transitions is told of from its beginning.
func TestNodesTellOfAllTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
		begin := time.Now()
		for n := range 6 {
			add(t, n2.archive, fmt.Sprintf("pe-warn-%d.bz2", n), input(time.Now(), n, false, "0s"))
			x.changed.Broadcast()
			<-time.After(6 * time.Second)
		}
		<-time.After(3 * time.Minute)
		if log := n1.Between(t.Context(), begin.Add(-9*time.Second), begin.Add(34*time.Second), false); slices.Contains(log.Missing, "n2") || len(ofN2(log)) != 44 {
			t.Errorf("n1 has %d lines of n2, missing are %v", len(ofN2(log)), log.Missing)
		}
	})
}

// A node that had no chance to answer is asked again.
func TestNodesThatAreNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		n1 := x.agent(t, "n1", t.TempDir())
		at := time.Now().Add(-time.Hour)
		isHeard := func(what string) {
			t.Helper()
			at = at.Add(time.Minute)
			if log := n1.Between(t.Context(), at, at.Add(10*time.Second), true); slices.Contains(log.Missing, "n2") || len(ofN2(log)) == 0 {
				t.Errorf("%s: of n2 are %d lines, missing are %v", what, len(ofN2(log)), log.Missing)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n1.Between(ctx, at, at.Add(time.Second), true)
		n2 := x.agent(t, "n2", t.TempDir())
		add(t, n2.archive, "pe-input-1.bz2", input(at, 1, false, "0s"))
		isHeard("after a caller has gone away")
		<-time.After(time.Minute)
		x.setMute("n1", true)
		n1.Between(t.Context(), at.Add(-2*time.Hour), at.Add(-time.Hour), true)
		x.setMute("n1", false)
		isHeard("after a question that was not put")
		<-time.After(time.Minute)
		var asking sync.WaitGroup
		for n := range 12 {
			from := at.Add(time.Duration(-20-n) * time.Hour)
			asking.Go(func() { n1.Between(t.Context(), from, from.Add(10*time.Second), true) })
		}
		asking.Wait()
		isHeard("after too many questions")
	})
}

// Several questions whose answers do not go into one text are all answered.
func TestLargeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		x := newTown(t)
		x.loud = 1500
		n1, n2 := x.agent(t, "n1", t.TempDir()), x.agent(t, "n2", t.TempDir())
		at := time.Now().Add(-10 * time.Hour)
		add(t, n2.archive, "pe-input-1.bz2", input(at, 1, false, "0s"))
		var asking sync.WaitGroup
		from := func(n int) time.Time { return at.Add(time.Duration(n) * time.Hour) }
		for n := range 8 {
			asking.Go(func() { n1.Between(t.Context(), from(n), from(n).Add(time.Minute), true) })
		}
		asking.Wait()
		<-time.After(10 * time.Second)
		for n := range 8 {
			if log := n1.Between(t.Context(), from(n), from(n).Add(time.Minute), false); slices.Contains(log.Missing, "n2") || len(ofN2(log)) < 30 {
				t.Errorf("question %d: of n2 are %d lines, missing are %v", n, len(ofN2(log)), log.Missing)
			}
		}
		if log := n1.Between(t.Context(), at.Add(-time.Hour), at.Add(-59*time.Minute), true); slices.Contains(log.Missing, "n2") {
			t.Error("n2 is taken for silent")
		}
	})
}
