package stats

import (
	"time"

	"thalassa/statsock"
)

// A Kind is what a Series is about.
type Kind = statsock.Kind

// The kinds.
const (
	Frontend = statsock.KindFrontend
	Backend  = statsock.KindBackend
	Member   = statsock.KindServer
)

// A Series is the figures of one frontend, backend or member.
type Series struct {
	Kind Kind
	// Key of the frontend or backend.
	Key string
	// Server is a member's line in haproxy.cfg, Address its HOST:PORT and Member
	// its id (lb.Member.ID). A server of a backend that is not Thalassa's has
	// its name as Address and no Member.
	Server, Address, Member, Version string

	Gauges Gauges
	// Total is the counts since the agent started, Rate the counts per second in the
	// last tick. Known is false while there is no earlier reading, and in a tick in which
	// a worker has ended before its last counts were read.
	Total Counters
	Rate  Rates
	Known bool
	// Members of a backend that are in use, and those of them that are up.
	Members, Healthy int
	// Since is the time of the last change of the status.
	Since time.Time

	listed  bool      // it is visible to readers
	dropped bool      // it is no longer in the table
	changed changes   // since the last call of Changes
	turned  time.Time // when it became visible, or invisible
	read    time.Time // end of the last tick in which HAProxy was queried about it
	history history
	moves   moves

	// Since read.
	seen, restarted bool
	grown           *Counters // nil: nothing was counted
	next            *Gauges
}

// ID names the object: "stat/frontend/K", "stat/backend/K" or
// "stat/backend/K/HOST:PORT".
func (s *Series) ID() string {
	switch s.Kind {
	case statsock.KindFrontend:
		return "stat/frontend/" + s.Key
	case statsock.KindServer:
		return "stat/backend/" + s.Key + "/" + s.Address
	default:
		return "stat/backend/" + s.Key
	}
}

// update ends a tick in which HAProxy was queried about the object. lost: some counts of
// the tick are unknown.
func (s *Series) update(now time.Time, lost bool) {
	var rate Rates
	known := !lost && !s.read.IsZero() && now.After(s.read)
	if known && s.grown != nil {
		rate = s.grown.per(now.Sub(s.read).Seconds())
	}
	if rate != s.Rate || known != s.Known {
		s.changed.rates |= differing((*[counterCount]float32)(&rate), (*[counterCount]float32)(&s.Rate))
		s.changed.note(partRate, known != s.Known)
		s.Rate, s.Known = rate, known
	}
	if s.grown != nil {
		s.changed.totals |= s.grown.grown()
	}
	s.read = now
	s.set(*s.next, now)
	s.next = nil
}

// set replaces the gauges, and records which of them changed.
func (s *Series) set(g Gauges, now time.Time) {
	old, c := &s.Gauges, &s.changed
	g.MaxConnections = max(g.MaxConnections, old.MaxConnections)
	g.MaxQueue = max(g.MaxQueue, old.MaxQueue)
	c.note(partStatus, g.Status != old.Status)
	c.note(partConnections, g.Connections != old.Connections)
	c.note(partMaxConnections, g.MaxConnections != old.MaxConnections)
	c.note(partLimit, g.Limit != old.Limit)
	c.note(partQueue, g.Queue != old.Queue)
	c.note(partMaxQueue, g.MaxQueue != old.MaxQueue)
	c.note(partQueueMS, g.QueueMS != old.QueueMS)
	c.note(partConnectMS, g.ConnectMS != old.ConnectMS)
	c.note(partResponseMS, g.ResponseMS != old.ResponseMS)
	c.note(partTotalMS, g.TotalMS != old.TotalMS)
	c.note(partWeight, g.Weight != old.Weight)
	c.note(partDowntime, g.Downtime != old.Downtime)
	c.note(partCheckStatus, g.CheckStatus != old.CheckStatus)
	c.note(partCheckCode, g.CheckCode != old.CheckCode)
	c.note(partCheckMS, g.CheckMS != old.CheckMS)
	c.note(partCheckText, g.CheckText != old.CheckText || g.CheckOutput != old.CheckOutput)
	// HAProxy gives whole seconds; the point in time must not move with them.
	if since := now.Add(-g.Change).Truncate(time.Second); since.Sub(s.Since).Abs() > 2*time.Second {
		s.Since = since
		c.note(partSince, true)
	}
	s.Gauges = g
}

// markGap marks the object as unknown while HAProxy does not answer.
func (s *Series) markGap() {
	if s.Known {
		s.Known, s.Rate = false, Rates{}
		s.changed.note(partRate, true)
	}
	if s.Gauges.Status != Unknown {
		s.Gauges.Status = Unknown
		s.changed.note(partStatus, true)
	}
}

// remember puts the values of a tick into the history. It may be repeated for a tick.
func (s *Series) remember(tick uint64) {
	s.history.begin(tick)
	if s.Known && s.history.rated == 0 {
		s.history.rated = tick
	}
	rate := func(track Track, v float32) {
		switch {
		case s.Known:
			s.history.put(track, tick, encodeSample(float64(v)))
		case s.history.rated > 0:
			s.history.put(track, tick, unknown)
		}
	}
	rate(TrackRequests, s.Rate[Requests])
	rate(TrackErrors, s.Rate.Errors(s.Kind))
	if s.Kind != statsock.KindServer {
		rate(TrackBytesOut, s.Rate[BytesOut])
	}
	s.history.put(TrackConnections, tick, encodeSample(float64(s.Gauges.Connections)))
	s.history.put(TrackResponseMS, tick, encodeSample(float64(s.Gauges.ResponseMS)))
}

// restart restarts the series for another member at the same address.
func (s *Series) restart() {
	s.Total, s.grown, s.Rate, s.Known, s.read = Counters{}, nil, Rates{}, false, time.Time{}
	s.Gauges, s.Since, s.history, s.restarted = Gauges{}, time.Time{}, history{}, true
	s.moves = moves{}
	s.changed.note(partWhole, true)
}
