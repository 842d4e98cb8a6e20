package agent

import (
	"testing"
	"time"
)

// TestRepairsOfAContestedServerEnd: two programs that want something else of a server must
// not fill the log.
func TestRepairsOfAContestedServerEnd(t *testing.T) {
	t.Parallel()
	var p repairPace
	now, repairs, reported, last := time.Unix(1000, 0), 0, 0, 0
	look := func() {
		if !p.take(now) {
			return
		}
		repairs++
		isReported, isLast := p.reports()
		if isReported {
			reported++
		}
		if isLast {
			last++
		}
	}
	for range 600 { // looks, one each second
		look()
		now = now.Add(time.Second)
	}
	if reported > repairBurst+10 || last != 1 || repairs < 110 || repairs > 160 {
		t.Errorf("%d repairs, %d reported, %d as the last", repairs, reported, last)
	}
	now = now.Add(time.Hour)
	look()
	if last != 1 || !p.take(now) {
		t.Error("the end of the contest was not noticed")
	}
	if isReported, _ := p.reports(); !isReported {
		t.Error("a repair after the contest is not reported")
	}
}
