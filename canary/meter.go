package canary

import (
	"math"

	"thalassa/lb"
)

// A reading is a member of a backend and what HAProxy counts for it.
type reading struct {
	id      string // of the member
	version lb.Version
	stats   *lb.ServerStats // nil: HAProxy does not have the member yet
}

// A meter makes figures of readings of HAProxy's counters. These also count what was
// before a step, begin at 0 with each worker of HAProxy, and belong to a
// line that another member may have had before.
type meter struct {
	of    func(lb.Version) bool // the versions that count
	lines map[string]*line      // by the member's id
	gone  lb.CanaryFigures      // of lines that members have left
}

// line is the line of one member.
type line struct {
	from, last lb.ServerStats
	before     lb.CanaryFigures // of former workers
}

func (l *line) figures() lb.CanaryFigures { return l.before.Plus(between(l.from, l.last)) }

// read adds a reading of all members, and returns the figures since the
// first reading. A member that comes later counts from then on.
func (m *meter) read(members []reading) lb.CanaryFigures {
	if m.lines == nil {
		m.lines = map[string]*line{}
	}
	present := map[string]bool{}
	for _, member := range members {
		if !m.of(member.version) || member.stats == nil {
			continue
		}
		present[member.id] = true
		now, l := *member.stats, m.lines[member.id]
		switch {
		case l == nil:
			l = &line{from: now}
			m.lines[member.id] = l
		case now.Server != l.last.Server:
			*l = line{from: now, before: l.figures()}
		case restarted(l.last, now):
			*l = line{before: l.figures()} // from 0
		}
		l.last = now
	}
	sum := m.gone
	for id, l := range m.lines {
		if !present[id] {
			m.gone = m.gone.Plus(l.figures())
			delete(m.lines, id)
		}
		sum = sum.Plus(l.figures())
	}
	return sum
}

// restarted reports whether now comes from another worker than before.
func restarted(before, now lb.ServerStats) bool {
	return now.Requests < before.Requests || now.Responses.Total() < before.Responses.Total() ||
		now.Responses.ServerError < before.Responses.ServerError || now.ConnectErrors < before.ConnectErrors ||
		now.Redispatches < before.Redispatches || now.ResponseErrors < before.ResponseErrors
}

// between is what happened on a line between two readings of one worker.
func between(from, to lb.ServerStats) lb.CanaryFigures {
	f := lb.CanaryFigures{
		Requests:     to.Requests - from.Requests,
		ServerErrors: to.Responses.ServerError - from.Responses.ServerError,
		Errors:       to.ConnectErrors + to.Redispatches + to.ResponseErrors - from.ConnectErrors - from.Redispatches - from.ResponseErrors,
		Responses:    to.Responses.Total() - from.Responses.Total(),
	}
	f.ResponseTimeMS = meanBetween(from, to)
	return f
}

// window is the number of responses in HAProxy's mean time (its
// TIME_STATS_SAMPLES). Up to that number the mean is exact; after that each
// response replaces the windowth part of the sum.
const window = 512

// meanBetween is the mean time of the responses between two readings. HAProxy's own
// figure is the mean of the last window responses. With few responses since
// the first reading, most of these are older, and perhaps of another member.
func meanBetween(from, to lb.ServerStats) float64 {
	before, after := from.Responses.Total(), to.Responses.Total()
	if after <= before {
		return 0
	}
	filled := min(after, window) - min(before, window) // responses that were added to the sum
	decay := math.Pow(1-1.0/window, float64(after-before-filled))
	sumBefore := float64(from.ResponseTimeMS * min(before, window))
	sumAfter := float64(to.ResponseTimeMS * min(after, window))
	weight := float64(filled)*decay + window*(1-decay)
	return max(0, (sumAfter-sumBefore*decay)/weight)
}
