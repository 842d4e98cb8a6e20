package stats

import "math"

// HistoryLength is the number of values that are kept of each track.
const HistoryLength = 300

// A Track is one line of an object's history.
type Track int

// The tracks. Members have no BytesOut.
const (
	TrackRequests    Track = iota // per second
	TrackConnections              // now
	TrackErrors                   // per second
	TrackResponseMS               // mean time to a response
	TrackBytesOut                 // per second

	trackCount
)

// isRate reports whether a value needs two readings.
func (t Track) isRate() bool { return t != TrackConnections && t != TrackResponseMS }

// A sample is a value from 0 on in 16 bits: five for the exponent, eleven for
// the fraction. Whole numbers up to 4096 are exact, tenths nearly so; greater
// ones are within 0.05 percent, up to 1e11.
type sample uint16

const (
	unknown   sample = 0xffff
	greatest         = 0xfffe
	fractions        = 1 << 11
	unit             = 16 // of the smallest values: sixteenths
	maxSample        = 1 << 42
)

// encodeSample rounds to the nearest value.
func encodeSample(v float64) sample {
	if !(v > 0) { // NaN, too
		return 0
	}
	v *= unit
	if v < fractions {
		return sample(v + 0.5) // may be the first of the next exponent, which is right
	}
	if v > maxSample {
		return greatest
	}
	_, e := math.Frexp(v) // v is in [2^(e-1), 2^e)
	e -= 11               // 1 for the first exponent that has a leading bit
	m := uint32(math.Ldexp(v, 1-e) + 0.5)
	// m is in [2048, 4096]; its leading bit is not stored.
	return sample(min(uint32(e)<<11+(m-fractions), greatest))
}

// value is the number again; ok is false for unknown.
func (s sample) value() (v float64, ok bool) {
	if s == unknown {
		return 0, false
	}
	e, m := int(s>>11), float64(s&(fractions-1))
	if e == 0 {
		return m / unit, true
	}
	return math.Ldexp(m+fractions, e-1) / unit, true
}

// A history is the last values of an object. A track of zeros takes no memory.
type history struct {
	born   uint64 // tick of the first value
	rated  uint64 // tick of the first rate; 0: there was none
	last   uint64 // tick of the newest value, which is valid until the next one
	tracks [trackCount]*ring
}

// A ring has the value of a tick at the tick's number modulo its length.
type ring [HistoryLength]sample

// begin makes a tick the one that values are put into: the same or a later one each
// time. In the ticks in between the values stay the same.
func (h *history) begin(tick uint64) {
	if h.born == 0 {
		h.born, h.last = tick, tick
	}
	for _, values := range h.tracks {
		if values == nil {
			continue
		}
		value := values[h.last%HistoryLength]
		for t := h.last + 1; t < min(tick, h.last+HistoryLength); t++ {
			values[t%HistoryLength] = value
		}
	}
	h.last = tick
}

// put stores the value of a tick that has begun.
func (h *history) put(track Track, tick uint64, s sample) {
	values := h.tracks[track]
	if values == nil {
		if s == 0 {
			return
		}
		values = new(ring)
		h.tracks[track] = values
	}
	values[tick%HistoryLength] = s
}

// at is the value of a tick, which must be one of the last HistoryLength and
// not before born.
func (h *history) at(track Track, tick uint64) sample {
	tick = min(tick, h.last)
	if track.isRate() && (h.rated == 0 || tick < h.rated) {
		return unknown
	}
	if values := h.tracks[track]; values != nil {
		return values[tick%HistoryLength]
	}
	return 0
}
