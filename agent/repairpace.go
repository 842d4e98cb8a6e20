package agent

import "time"

// Repairs of what another program changes again and again: so many at once, then one each
// repairRest, and no event of them.
const (
	repairBurst = 20
	repairRest  = 5 * time.Second
)

// contestedReason is what the last event of a series of repairs says.
const contestedReason = "another program keeps changing servers: they are restored every 5s from now on, without further events until it ends"

// A repairPace bounds the repairs and their events. It belongs to the loop's goroutine.
type repairPace struct {
	used      float64   // of repairBurst
	at        time.Time // of used
	contested bool      // another program keeps changing what was repaired
}

// take reports whether a repair may be done now.
func (p *repairPace) take(now time.Time) bool {
	p.used = max(0, p.used-now.Sub(p.at).Seconds()/repairRest.Seconds())
	p.at = now
	if p.used == 0 {
		p.contested = false
	}
	if p.used > repairBurst-1 {
		return false
	}
	p.used++
	return true
}

// reports reports whether the repair that was taken gets an event, and whether that is the
// last one of a series.
func (p *repairPace) reports() (isReported, isLast bool) {
	if p.contested {
		return false, false
	}
	p.contested = p.used > repairBurst-1
	return true, p.contested
}
