package stats

import (
	"math"
	"testing"
)

func TestSamplesKeepValues(t *testing.T) {
	for _, v := range []float64{0, 1, 2, 17, 127, 128, 129, 255, 256, 1000, 4095, 4096} {
		if got, ok := encodeSample(v).value(); !ok || got != v {
			t.Errorf("%v became %v", v, got)
		}
	}
	for v := 0.1; v < 1e11; v *= 1.07 {
		got, ok := encodeSample(v).value()
		if !ok || math.Abs(got-v) > max(0.032, v/4000) {
			t.Errorf("%v became %v", v, got)
		}
	}
	if _, ok := unknown.value(); ok {
		t.Error("unknown is a value")
	}
	for _, v := range []float64{math.NaN(), -1, math.Inf(-1)} {
		if got, _ := encodeSample(v).value(); got != 0 {
			t.Errorf("%v became %v", v, got)
		}
	}
	for _, v := range []float64{1e12, math.Inf(1), math.MaxFloat64} {
		if got, ok := encodeSample(v).value(); !ok || got < 1e11 {
			t.Errorf("%v became %v", v, got)
		}
	}
}

// Every code but unknown is a number of its own, and they are in order.
func TestSamplesAreInOrder(t *testing.T) {
	before := -1.0
	for code := range int(unknown) {
		v, ok := sample(code).value()
		if !ok || v <= before {
			t.Fatalf("code %d is %v after %v", code, v, before)
		}
		if back := encodeSample(v); back != sample(code) {
			t.Fatalf("code %d is %v, which is code %d", code, v, back)
		}
		before = v
	}
}

func TestRatesBeforeTheFirstAreUnknown(t *testing.T) {
	h := history{}
	h.begin(1)
	if h.at(TrackRequests, 1) != unknown || h.at(TrackConnections, 1) != 0 {
		t.Error("there is a rate before the first")
	}
	h.begin(2)
	h.rated = 2
	if h.at(TrackRequests, 1) != unknown || h.at(TrackRequests, 2) != 0 {
		t.Error("the rates are not those from the first on")
	}
}

func TestHistoryKeepsTheLastValues(t *testing.T) {
	h := history{rated: 1}
	for tick := uint64(1); tick <= 1000; tick++ {
		h.begin(tick)
		h.put(TrackRequests, tick, encodeSample(float64(tick)))
		h.put(TrackErrors, tick, 0)
	}
	for tick := uint64(701); tick <= 1000; tick++ {
		if got, _ := h.at(TrackRequests, tick).value(); got != float64(tick) {
			t.Fatalf("tick %d has %v", tick, got)
		}
	}
	if h.tracks[TrackErrors] != nil || h.at(TrackErrors, 1000) != 0 {
		t.Error("nothing but zeros takes memory")
	}
	h.begin(1001)
	h.put(TrackErrors, 1001, encodeSample(3))
	if h.at(TrackErrors, 1000) != 0 || h.at(TrackErrors, 1001) != encodeSample(3) {
		t.Error("zeros before the first value are not zeros")
	}
}

// A value stands until there is another one, and the last one of a tick counts.
func TestHistoryRepeatsValues(t *testing.T) {
	for _, pause := range []uint64{1, 2, 14, HistoryLength - 1, HistoryLength, 1000} {
		h := history{rated: 1}
		h.begin(10)
		h.put(TrackRequests, 10, encodeSample(6))
		h.begin(10)
		h.put(TrackRequests, 10, encodeSample(7))
		next := 10 + pause
		if got := h.at(TrackRequests, next); got != encodeSample(7) {
			t.Errorf("%d ticks later it is %v", pause, got)
		}
		h.begin(next)
		h.put(TrackRequests, next, encodeSample(9))
		for tick := max(10, next-min(next, HistoryLength-1)); tick < next; tick++ {
			if got := h.at(TrackRequests, tick); got != encodeSample(7) {
				t.Fatalf("tick %d before %d is %v", tick, next, got)
			}
		}
		if h.at(TrackRequests, next) != encodeSample(9) || h.at(TrackConnections, next) != 0 {
			t.Errorf("the value of tick %d is not there", next)
		}
	}
}
