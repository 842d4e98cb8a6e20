package stats

import (
	"time"

	"thalassa/statsock"
)

// A load is how long a worker was occupied until some time (see Config.Occupied). The
// zero value is that of no worker.
type load struct {
	pid      int
	at       time.Time
	occupied time.Duration
}

// idle is the percentage of the time from before to l for which the worker was idle. It is
// never more than HAProxy's own figure, which counts waiting for a processor as idle.
func (l load) idle(before load, info statsock.Info) int {
	passed := l.at.Sub(before.at).Seconds() * float64(max(info.Threads, 1))
	if before.pid != l.pid || passed <= 0 {
		return info.IdlePercent
	}
	free := 100 - int(100*(l.occupied-before.occupied).Seconds()/passed)
	return max(0, min(info.IdlePercent, free))
}
