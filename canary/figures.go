package canary

import (
	"fmt"
	"math"
	"strconv"

	"thalassa/api/node"
	"thalassa/client"
)

// Figures are the statistics of the members of a version since a step began.
type Figures struct {
	// Requests that they were sent.
	Requests int64 `json:"requests"`
	// ServerErrors are their responses with a status from 500 on.
	ServerErrors int64 `json:"5xx"`
	// Errors are requests without a complete response of theirs, or that another
	// member got because connecting to them failed.
	Errors int64 `json:"errors"`
	// ResponseTimeMS is the mean time to the head of a response; 0: there was none.
	ResponseTimeMS float64 `json:"responseTimeMs"`

	responses int64 // that the mean is of
}

// percent is n of the requests. An error may be counted before its request is.
func (f Figures) percent(n int64) float64 {
	if n == 0 {
		return 0
	}
	return 100 * float64(n) / float64(max(n, f.Requests))
}

// plus joins the figures of two members.
func (f Figures) plus(o Figures) Figures {
	sum := Figures{
		Requests: f.Requests + o.Requests, ServerErrors: f.ServerErrors + o.ServerErrors, Errors: f.Errors + o.Errors,
		responses: f.responses + o.responses,
	}
	if sum.responses > 0 {
		sum.ResponseTimeMS = (f.ResponseTimeMS*float64(f.responses) + o.ResponseTimeMS*float64(o.responses)) / float64(sum.responses)
	}
	return sum
}

// String gives "64 requests, 12.5% 5xx, 0% errors, 3 ms".
func (f Figures) String() string {
	if f.Requests == 1 {
		return "1 request, " + f.rates()
	}
	return fmt.Sprintf("%d requests, %s", f.Requests, f.rates())
}

func (f Figures) rates() string {
	round := func(n float64) string { return strconv.FormatFloat(math.Round(100*n)/100, 'f', -1, 64) }
	return fmt.Sprintf("%s%% 5xx, %s%% errors, %s ms", round(f.percent(f.ServerErrors)), round(f.percent(f.Errors)), round(f.ResponseTimeMS))
}

// A meter makes figures of readings of HAProxy's counters. These also count what was
// before a step, begin at 0 with each worker of HAProxy, and belong to a
// line that another member may have had before.
type meter struct {
	version string
	lines   map[string]*line // by the member's id
	gone    Figures          // of lines that members have left
}

// line is the line of one member.
type line struct {
	from, last node.ServerStats
	before     Figures // of former workers
}

func (l *line) figures() Figures { return l.before.plus(between(l.from, l.last)) }

// read adds a reading of all members, and returns the figures since the
// first reading. A member that comes later counts from then on.
func (m *meter) read(members []client.Member) Figures {
	if m.lines == nil {
		m.lines = map[string]*line{}
	}
	present := map[string]bool{}
	for _, member := range members {
		if member.Version != m.version || member.Stats == nil {
			continue
		}
		present[member.ID] = true
		now, l := *member.Stats, m.lines[member.ID]
		switch {
		case l == nil:
			l = &line{from: now}
			m.lines[member.ID] = l
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
			m.gone = m.gone.plus(l.figures())
			delete(m.lines, id)
		}
		sum = sum.plus(l.figures())
	}
	return sum
}

// restarted reports whether now comes from another worker than before.
func restarted(before, now node.ServerStats) bool {
	return now.Requests < before.Requests || now.Responses.Total() < before.Responses.Total() ||
		now.Responses.ServerError < before.Responses.ServerError || now.ConnectErrors < before.ConnectErrors ||
		now.Redispatches < before.Redispatches || now.ResponseErrors < before.ResponseErrors
}

// between is what happened on a line between two readings of one worker.
func between(from, to node.ServerStats) Figures {
	f := Figures{
		Requests:     to.Requests - from.Requests,
		ServerErrors: to.Responses.ServerError - from.Responses.ServerError,
		Errors:       to.ConnectErrors + to.Redispatches + to.ResponseErrors - from.ConnectErrors - from.Redispatches - from.ResponseErrors,
		responses:    to.Responses.Total() - from.Responses.Total(),
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
func meanBetween(from, to node.ServerStats) float64 {
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
