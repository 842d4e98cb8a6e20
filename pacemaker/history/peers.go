package history

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

const (
	// peersWithin is how long the other nodes have for an answer.
	peersWithin = 5 * time.Second
	// askEvery is the pause between two looks for answers.
	askEvery = 300 * time.Millisecond
	// silentFor is how long a node is not asked again that has not answered.
	silentFor = 30 * time.Second
	// toldAfter is how long after a transition what a node tells of it ends, or later: the lines
	// about it are written then.
	toldAfter = 5 * time.Second
	// settleFor is how old lines are when they are told: what is secret in them is known when
	// Pacemaker's scheduler has run with the configuration that has it.
	settleFor = 3 * time.Second
	// tellAfter is how long after a transition a node tells its lines. Whole seconds are told, so
	// that the last of toldAfter has settled a second later.
	tellAfter = toldAfter + settleFor + time.Second
	// tellAtLatest is how long after the first of several transitions it does so, if others follow.
	tellAtLatest = 30 * time.Second
	// sayEvery is the least pause between two texts: the next one takes the place of one that the
	// others have had the time to hear, who look for answers each askEvery.
	sayEvery = time.Second
	// listenFor is how long after a question answers are looked for: several large ones come in
	// texts of their own, each sayEvery. So they are kept, also when nobody waits any more.
	listenFor = 3 * peersWithin
	// newestLines is how far before now the lines of another node may end without being asked
	// for again.
	newestLines = 15 * time.Second
	// toldLines limits the lines of an interval, and mostTold the intervals that a text has.
	toldLines, mostTold = 2000, 4
	// mostAsked limits the questions of a node at the same time.
	mostAsked = 8
	// maxQuestion limits the interval of a question.
	maxQuestion = 24 * time.Hour
	// maxMessage limits what a text of another node expands to, in bytes.
	maxMessage = 8 << 20
	// logsSealedAs is the name under which lines are sealed.
	logsSealedAs = "logs"
)

// A Bell is an Exchange that wakes the other nodes, as *pacemaker.Exchange does.
type Bell interface {
	Exchange
	Ring(ctx context.Context, value string) error
	Rings() map[string]string
}

// Peers exchange lines of logs with the other nodes of a cluster. After each transition, a node
// tells the others what it has logged around it, and they keep it: so the lines of a node are
// there when the node is not. Of other intervals, the others are asked. All lines are without
// secrets, and sealed. Run is called once; the other methods are safe for concurrent use.
type Peers struct {
	cfg  PeersConfig
	news wake.Poke   // there is a question
	got  wake.Signal // something was heard

	// Only Run uses these.
	answered map[string]bool   // IDs of questions of others
	heard    map[string]string // the last texts
	upTo     string            // the transition that was told of
	problem  string            // that was logged
	due      []owed            // to be told, the earliest asked for first
	unread   map[string]bool   // logs without which the last interval was told
	unsaid   []toldSpan        // the next of them with their lines, at most mostTold
	told     []toldSpan        // what was said, the latest last
	saidAt   time.Time         // the last text

	mu      sync.Mutex
	asked   []logQuestion
	isNew   bool            // one of them has not been said
	askedAt time.Time       // the last question
	put     map[string]bool // IDs of those that have
	number  int
	heardAt map[string]time.Time // when a node said something new
	silent  map[string]time.Time // until when a node is not asked
}

// A PeersConfig says what Peers work with.
type PeersConfig struct {
	Past Past // of this node
	Bell Bell
	Key  Key
	Kept *KeptLines
	// View is the state of the cluster, Changed closes with the next change of it.
	View    func() cluster.Status
	Changed func() <-chan struct{}
	Now     func() time.Time
	Logger  *slog.Logger
}

// NewPeers returns the Peers of this node. It starts nothing.
func NewPeers(cfg PeersConfig) *Peers {
	return &Peers{cfg: cfg, news: wake.NewPoke(), answered: map[string]bool{}, heard: map[string]string{}, put: map[string]bool{}, heardAt: map[string]time.Time{}, silent: map[string]time.Time{}}
}

// A logQuestion asks for the lines of an interval.
type logQuestion struct {
	ID       string
	From, To time.Time
}

// A logMessage is what a node tells the others.
type logMessage struct {
	Questions []logQuestion
	Told      []toldSpan
}

// Run tells and hears until ctx ends, which is not an error.
func (p *Peers) Run(ctx context.Context) error {
	rings := map[string]string{}
	for pause := sharePause; ; pause = min(2*pause, longestPause) {
		changed := p.cfg.Changed()
		err := p.talk(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is no error
		}
		p.tell(ctx, err)
		timer, soon := time.NewTimer(min(pause, p.untilNext(err))), false
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case <-timer.C:
				waiting = false
			case <-p.news:
				pause, waiting = sharePause/2, false
			case <-changed: // the others may tell of it
				changed, pause = p.cfg.Changed(), sharePause/2
				if !soon {
					soon = timer.Reset(min(sharePause, p.untilNext(err)))
				}
				now := p.cfg.Bell.Rings()
				delete(now, p.cfg.View().Self)
				waiting = maps.Equal(now, rings)
				rings = now
			}
		}
		timer.Stop()
	}
}

// untilNext is how long it takes until there is something to tell, or an answer to hear. err is
// that of the last talk.
func (p *Peers) untilNext(err error) time.Duration {
	p.mu.Lock()
	since := p.cfg.Now().Sub(p.askedAt)
	asking := len(p.asked) > 0 || since >= 0 && since < listenFor
	p.mu.Unlock()
	if asking {
		return askEvery
	}
	until := longestPause
	if err == nil {
		until = p.untilDue()
	}
	if first, last := p.untold(); last.ID != "" {
		until = min(until, max(min(last.Time.Add(tellAfter).Sub(p.cfg.Now()), first.Time.Add(tellAtLatest).Sub(p.cfg.Now())), sharePause))
	}
	return until
}

// untold are the first and the last of the transitions that have not been told of, and are new
// enough; without an ID: there are none.
func (p *Peers) untold() (first, last cluster.Transition) {
	newest, ok := p.cfg.Past.newest()
	if !ok || newest.ID <= p.upTo {
		return first, last
	}
	for _, t := range p.cfg.Past.transitions() {
		if t.ID <= p.upTo || p.cfg.Now().Sub(t.Time) >= shareNews {
			continue
		}
		if first.ID == "" {
			first = t
		}
		last = t
	}
	if last.ID == "" {
		p.upTo = newest.ID // all are old
	}
	return first, last
}

// tellTransitions has the lines told of the transitions that have not been, when those about them
// are written. One that has just been is left for the next time.
func (p *Peers) tellTransitions() {
	now := p.cfg.Now()
	first, last := p.untold()
	if last.ID == "" || now.Sub(last.Time) < tellAfter && now.Sub(first.Time) < tellAtLatest {
		return
	}
	if from, _, err := p.cfg.Past.LogOf(first.ID); err == nil {
		p.owe(owed{span: span{p.since(from), now}})
	}
	for _, t := range p.cfg.Past.transitions() {
		if t.ID > p.upTo && now.Sub(t.Time) >= tellAfter {
			p.upTo = t.ID
		}
	}
}

// tell logs a problem when it is another one than before.
func (p *Peers) tell(ctx context.Context, err error) {
	text := ""
	if v := p.cfg.View(); err != nil && v.Self != "" && v.State != cluster.StateNone && v.State != cluster.StateOffline {
		text = err.Error()
	}
	known := p.problem == text
	p.problem = text
	if !known && text != "" {
		p.cfg.Logger.WarnContext(ctx, "lines of logs are not shared with the other nodes", "error", err)
	}
}

// talk hears what the others tell and ask, and tells them what is new.
func (p *Peers) talk(ctx context.Context) error {
	if err := p.hear(ctx); err != nil {
		return err
	}
	p.tellTransitions()
	if since := p.cfg.Now().Sub(p.saidAt); since >= 0 && since < sayEvery {
		return nil
	}
	p.noteDue(ctx)
	p.mu.Lock()
	asks := p.isNew
	p.isNew = false
	p.mu.Unlock()
	if len(p.unsaid) == 0 && !asks {
		return nil
	}
	if err := p.say(ctx, asks); err != nil {
		p.mu.Lock()
		p.isNew = p.isNew || asks
		p.mu.Unlock()
		return err
	}
	return nil
}

// since is from when on lines have not been told yet, after a time.
func (p *Peers) since(from time.Time) time.Time {
	for _, t := range p.told {
		if !t.From.After(from) && t.To.After(from) {
			from = t.To
		}
	}
	return from
}

// hear keeps what the others tell, and notes what they ask.
func (p *Peers) hear(ctx context.Context) error {
	texts, err := p.cfg.Bell.Heard(ctx)
	if err != nil {
		return err
	}
	self := p.cfg.View().Self
	var problems error
	for _, node := range slices.Sorted(maps.Keys(texts)) {
		if node == self || self == "" || p.heard[node] == texts[node] {
			continue
		}
		p.heard[node] = texts[node]
		m, err := p.messageOf(texts[node])
		if err != nil {
			continue // it is not of a node with our key
		}
		p.mu.Lock()
		p.heardAt[node] = p.cfg.Now()
		p.mu.Unlock()
		for _, t := range m.Told {
			if err := p.cfg.Kept.keepNew(node, t); err != nil {
				problems = err
				delete(p.heard, node) // it is heard once more
			}
		}
		for _, q := range m.Questions[:min(len(m.Questions), mostAsked)] {
			if id := node + " " + q.ID; !p.isAnswered(id) && q.To.Sub(q.From) <= maxQuestion {
				p.owe(owed{span: span{q.From, q.To}, by: p.cfg.Now().Add(answerWithin)})
			}
		}
	}
	p.got.Broadcast()
	return problems
}

// isAnswered reports whether a question was answered before, and notes that it is now.
func (p *Peers) isAnswered(id string) bool {
	if p.answered[id] {
		return true
	}
	if len(p.answered) > 1000 {
		clear(p.answered) // old ones: they are not asked any more
	}
	p.answered[id] = true
	return false
}

// Between is what was logged on the other nodes in an interval: what is kept, and, if they are to
// be asked, what they answer in time. Missing are the nodes of which not all is known; those that
// are not there are not asked. Node is this one.
func (p *Peers) Between(ctx context.Context, from, to time.Time, ask bool) cluster.Logged {
	v := p.cfg.View()
	out := cluster.Logged{Node: v.Self, Lines: []cluster.LogLine{}, Missing: []string{}}
	online := map[string]bool{}
	for _, n := range v.Members() {
		if n.Name != v.Self {
			online[n.Name] = n.State != "offline" && n.State != "unclean"
		}
	}
	end := to
	if newest := p.cfg.Now().Add(-newestLines); newest.Before(end) {
		end = newest
	}
	lacking := func() []string {
		var list []string
		for node := range online {
			if from.Before(end) && !p.cfg.Kept.known(node, from, end).cover(from, end) {
				list = append(list, node)
			}
		}
		slices.Sort(list)
		return list
	}
	missing := lacking()
	answers := func(node string) bool { return online[node] && !p.isSilent(node) }
	if ask && slices.ContainsFunc(missing, answers) {
		begun := p.cfg.Now()
		late := p.ask(ctx, from, to, func() bool {
			missing = lacking()
			return !slices.ContainsFunc(missing, answers)
		})
		if late {
			p.noteSilent(missing, begun)
		}
	}
	out.Missing = append(out.Missing, missing...)
	for _, node := range p.cfg.Kept.nodes() {
		if node == v.Self {
			continue
		}
		lines, _, more := p.cfg.Kept.between(node, from, to)
		out.Lines, out.More = append(out.Lines, lines...), out.More || more
	}
	return out
}

// ask asks the other nodes, and waits until all have answered, or for a while. isLate reports that
// they were asked and had the time.
func (p *Peers) ask(ctx context.Context, from, to time.Time, isAnswered func() bool) (isLate bool) {
	late, cancel := context.WithTimeout(ctx, peersWithin)
	defer cancel()
	p.mu.Lock()
	p.number++
	q := logQuestion{ID: fmt.Sprintf("%d-%d", p.cfg.Now().UnixNano(), p.number), From: from.UTC(), To: to.UTC()}
	full := len(p.asked) >= mostAsked
	if !full {
		p.asked, p.isNew, p.askedAt = append(p.asked, q), true, p.cfg.Now()
	}
	p.mu.Unlock()
	if full {
		return false
	}
	defer func() {
		p.mu.Lock()
		p.asked = slices.DeleteFunc(p.asked, func(o logQuestion) bool { return o.ID == q.ID })
		isLate = isLate && p.put[q.ID]
		p.mu.Unlock()
	}()
	p.news.Send()
	for late.Err() == nil {
		next := p.got.Next()
		if isAnswered() {
			return false
		}
		select {
		case <-next:
		case <-late.Done():
		}
	}
	return ctx.Err() == nil
}

func (p *Peers) isSilent(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Now().Before(p.silent[node])
}

// noteSilent notes the nodes that have not answered, unless they have said something since they were
// asked: such a node has others to answer first.
func (p *Peers) noteSilent(nodes []string, asked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, node := range nodes {
		if p.heardAt[node].Before(asked) {
			p.silent[node] = p.cfg.Now().Add(silentFor)
		}
	}
}

// keepNew keeps what is not known yet.
func (k *KeptLines) keepNew(node string, t toldSpan) error {
	if t.To.Before(t.From) {
		return nil
	}
	if slices.Contains(k.known(node, t.From, t.To), span{t.From, t.To}) {
		return nil
	}
	for i := range t.Lines {
		t.Lines[i].Text = strings.ToValidUTF8(cut(t.Lines[i].Text, maxKeptLine), "")
	}
	return k.keep(node, t)
}
