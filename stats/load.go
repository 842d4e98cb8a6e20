package stats

import (
	"time"

	"thalassa/statsock"
)

// A load is how long a worker was occupied by some time (see Config). The zero value
// is of none.
type load struct {
	pid      int
	at       time.Time
	occupied time.Duration
}

// idle is how many percent of its time the worker had nothing to do from before to
// l. What it believes itself is the most: it takes the time for idle as well in which
// it waited for a processor.
func (l load) idle(before load, info statsock.Info) int {
	passed := l.at.Sub(before.at).Seconds() * float64(max(info.Threads, 1))
	if before.pid != l.pid || passed <= 0 {
		return info.IdlePercent
	}
	free := 100 - int(100*(l.occupied-before.occupied).Seconds()/passed)
	return max(0, min(info.IdlePercent, free))
}

// idle is how many percent of its time the present worker has nothing to do.
func (s *Sampler) idle(now time.Time) int {
	info := s.scanner.Info
	if s.cfg.Occupied == nil {
		return info.IdlePercent
	}
	occupied, err := s.cfg.Occupied(info.PID)
	if err != nil { // its own word is all there is
		s.load = load{}
		return info.IdlePercent
	}
	before := s.load
	s.load = load{info.PID, now, occupied}
	return s.load.idle(before, info)
}
