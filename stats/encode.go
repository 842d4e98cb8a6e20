package stats

import (
	"encoding/json"
	"iter"
	"strconv"
	"time"

	"thalassa/statsock"
)

// The encoding is written by hand: ten thousand objects may change every second.

// appendObject writes some fields of an object as JSON.
func (s *Series) appendObject(dst []byte, at time.Time, fields changes) []byte {
	e := encoder{buf: append(dst, `{"id":`...), parts: fields.parts}
	e.buf = appendString(e.buf, s.ID())
	if fields.parts&partWhole != 0 {
		s.encodeIdentity(&e)
		e.key("time")
		e.buf = strconv.AppendInt(e.buf, at.UnixMilli(), 10)
	}
	e.text(partStatus, "status", s.Gauges.Status)
	s.encodeRate(&e, fields)
	s.encodeGauges(&e)
	return append(e.buf, '}')
}

// appendTotals writes some totals of an object.
func (s *Series) appendTotals(dst []byte, totals counterSet) []byte {
	e := encoder{buf: append(dst, `{"id":`...)}
	e.buf = appendString(e.buf, s.ID())
	for name, c := range publishedNames() {
		if totals.has(c) {
			e.key(name)
			e.buf = strconv.AppendInt(e.buf, s.Total[c], 10)
		}
	}
	return append(e.buf, '}')
}

// An encoder writes the fields after the first one of an object.
type encoder struct {
	buf   []byte
	parts part   // that are to be written
	open  string // a nested object without fields so far
}

// key begins a field.
func (e *encoder) key(name string) {
	e.buf = append(e.buf, `,"`...)
	if e.open != "" {
		e.buf = append(e.buf, e.open...)
		e.buf = append(e.buf, `":{"`...)
		e.open = ""
	}
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, `":`...)
}

// nest begins a nested object, and end ends it. Without fields it is left out.
func (e *encoder) nest(name string) { e.open = name }

func (e *encoder) end() {
	if e.open == "" {
		e.buf = append(e.buf, '}')
	}
	e.open = ""
}

func (e *encoder) number(p part, name string, v int64) {
	if e.parts&p != 0 {
		e.key(name)
		e.buf = strconv.AppendInt(e.buf, v, 10)
	}
}

func (e *encoder) text(p part, name, v string) {
	if e.parts&p != 0 {
		e.key(name)
		e.buf = appendString(e.buf, v)
	}
}

func (s *Series) encodeIdentity(e *encoder) {
	field := func(name, value string) {
		if value != "" {
			e.text(partWhole, name, value)
		}
	}
	switch s.Kind {
	case statsock.KindFrontend:
		field("type", "frontend")
		field("key", s.Key)
	case statsock.KindServer:
		field("type", "backendMember")
		field("key", s.Address)
		field("backend", s.Key)
		field("server", s.Server)
		field("member", s.Member)
		field("version", s.Version)
		field("address", s.Address)
	default:
		field("type", "backend")
		field("key", s.Key)
	}
}

// encodeRate writes the rates among the fields; null while they are not known.
func (s *Series) encodeRate(e *encoder, fields changes) {
	if !s.Known {
		if fields.parts&partRate != 0 {
			e.key("rate")
			e.buf = append(e.buf, `null`...)
		}
		return
	}
	e.nest("rate")
	for name, c := range publishedNames() {
		if fields.rates.has(c) {
			e.key(name)
			e.buf = appendTenths(e.buf, round(float64(s.Rate[c])))
		}
	}
	e.end()
}

// publishedNames are the published counters by their names in JSON.
func publishedNames() iter.Seq2[string, Counter] {
	return func(yield func(string, Counter) bool) {
		for c, name := range [...]string{
			Requests: "requests", Sessions: "sessions", BytesIn: "bytesIn", BytesOut: "bytesOut",
			Responses1xx: "1xx", Responses2xx: "2xx", Responses3xx: "3xx", Responses4xx: "4xx", Responses5xx: "5xx",
			ConnectErrors: "connectErrors", ResponseErrors: "responseErrors", RequestErrors: "requestErrors",
			Retries: "retries", Redispatches: "redispatches",
		} {
			if name != "" && !yield(name, Counter(c)) {
				return
			}
		}
	}
}

func (s *Series) encodeGauges(e *encoder) {
	g := &s.Gauges
	e.nest("connections")
	e.number(partConnections, "current", int64(g.Connections))
	e.number(partMaxConnections, "max", int64(g.MaxConnections))
	e.number(partLimit, "limit", int64(g.Limit))
	e.end()
	e.nest("queue")
	e.number(partQueue, "current", int64(g.Queue))
	e.number(partMaxQueue, "max", int64(g.MaxQueue))
	e.end()
	e.nest("timesMs")
	e.number(partQueueMS, "queue", int64(g.QueueMS))
	e.number(partConnectMS, "connect", int64(g.ConnectMS))
	e.number(partResponseMS, "response", int64(g.ResponseMS))
	e.number(partTotalMS, "total", int64(g.TotalMS))
	e.end()
	e.number(partWeight, "weight", int64(g.Weight))
	e.number(partMembers, "members", int64(s.Members))
	e.number(partHealthy, "healthy", int64(s.Healthy))
	e.number(partDowntime, "downtimeMs", g.Downtime.Milliseconds())
	e.nest("check")
	e.text(partCheckStatus, "status", g.CheckStatus)
	e.number(partCheckCode, "code", int64(g.CheckCode))
	e.number(partCheckMS, "durationMs", int64(g.CheckMS))
	if e.parts&partCheckText != 0 {
		text := g.CheckText
		if g.CheckOutput != "" {
			text += ": " + g.CheckOutput
		}
		e.text(partCheckText, "description", text)
	}
	if !s.Since.IsZero() {
		e.number(partSince, "sinceMs", s.Since.UnixMilli())
	}
	e.end()
}

// appendHistory writes ,"history":{…}.
func (t *table) appendHistory(dst []byte, s *Series, interval time.Duration) []byte {
	first := max(s.history.born, t.tick-min(t.tick, HistoryLength-1), 1)
	dst = append(dst, `,"history":{"interval":`...)
	dst = strconv.AppendInt(dst, interval.Milliseconds(), 10)
	dst = append(dst, `,"end":`...)
	dst = strconv.AppendInt(dst, t.at.UnixMilli(), 10)
	for track, name := range [trackCount]string{"requests", "connections", "errors", "responseMs", "bytesOut"} {
		if Track(track) == TrackBytesOut && s.Kind == statsock.KindServer {
			continue
		}
		dst = append(dst, `,"`...)
		dst = append(dst, name...)
		dst = append(dst, `":[`...)
		for tick := first; tick <= t.tick && s.history.born > 0; tick++ {
			if tick > first {
				dst = append(dst, ',')
			}
			v, ok := s.history.at(Track(track), tick).value()
			if !ok || t.gaps[tick%HistoryLength] {
				dst = append(dst, `null`...)
				continue
			}
			dst = appendTenths(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendTenths writes a number from 0 on with at most one decimal.
func appendTenths(dst []byte, v float64) []byte {
	n := int64(v*10 + 0.5)
	dst = strconv.AppendInt(dst, n/10, 10)
	if n %= 10; n != 0 {
		dst = append(dst, '.', byte('0'+n))
	}
	return dst
}

// appendString writes a JSON string.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil { // never: a string can always be encoded
				quoted = []byte(`""`)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
