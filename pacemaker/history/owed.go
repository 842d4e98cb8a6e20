package history

import (
	"context"
	"time"

	"thalassa/pacemaker"
)

const (
	// mostDue limits the intervals that wait to be told: the questions of 8 nodes.
	mostDue = 8 * mostAsked
	// mostReads is how often the lines of an interval are read while a log cannot be: it may be that
	// the machine is busy. Then those of the other logs are told.
	mostReads = 3
	// readAgain is the pause after the first read in vain; each further one is twice as long.
	readAgain = 2 * time.Second
	// answerWithin is how long a question is read again for: who asks waits peersWithin.
	answerWithin = peersWithin - sayEvery
)

// An owed interval is to be told.
type owed struct {
	span

	by    time.Time // until when somebody waits for it; zero: nobody does
	reads int       // in vain
	next  time.Time // when it is read again; zero: it was not read yet
}

// waits is how long it takes until the interval is to be read. A clock that was set back does not make
// it longer.
func (o owed) waits(now time.Time) time.Duration {
	left := o.next.Sub(now)
	if left < 0 || left > readAgain<<mostReads {
		return 0
	}
	return left
}

// owe has an interval told. Of too many, the first is not: who asked for it waits no more.
func (p *Peers) owe(o owed) {
	p.due = append(p.due, o)
	p.due = p.due[max(0, len(p.due)-mostDue):]
}

// untilDue is how long it takes until something is to be read or said, at least sayEvery.
func (p *Peers) untilDue() time.Duration {
	if len(p.unsaid) > 0 {
		return sayEvery
	}
	until := longestPause
	for _, o := range p.due {
		until = min(until, max(o.waits(p.cfg.Now()), sayEvery))
	}
	return until
}

// noteDue has the lines told of the intervals that are to be read now, as many as a text has.
func (p *Peers) noteDue(ctx context.Context) {
	var later []owed
	for _, o := range p.due {
		if len(p.unsaid) >= mostTold || o.waits(p.cfg.Now()) > 0 || !p.note(ctx, &o) {
			later = append(later, o)
		}
	}
	p.due = later
}

// note has the lines of an interval told. The second that is not over is left for the next time:
// some logs have whole seconds. false: a log could not be read that could be before, or it is not known
// what is secret in it, and it is to be read again. What stays unknown is not told, so that the others
// lack it.
func (p *Peers) note(ctx context.Context, o *owed) bool {
	to := earlier(o.to, p.cfg.Now().Add(-settleFor).Truncate(time.Second).Add(-time.Nanosecond))
	if to.Before(o.from) {
		return true
	}
	log, isShown := p.cfg.Past.ownLog(pacemaker.InBackground(ctx), o.from, to, toldLines)
	unread, again := map[string]bool{}, !isShown
	for _, s := range log.Sources {
		if s.Problem != "" {
			unread[s.Name] = true
			again = again || !p.unread[s.Name]
		}
	}
	o.reads++
	o.next = p.cfg.Now().Add(readAgain << (o.reads - 1))
	if again && o.reads < mostReads && (o.by.IsZero() || !o.next.After(o.by)) {
		return false
	}
	if !isShown {
		return true
	}
	p.unread = unread
	p.unsaid = append(p.unsaid, toldSpan{From: o.from.UTC(), To: to.UTC(), More: log.More, Lines: log.Lines})
	return true
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
