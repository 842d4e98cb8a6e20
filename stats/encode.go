package stats

import (
	"encoding/json"
	"strconv"
	"time"

	"thalassa/statsock"
)

// Encoding by hand: ten thousand objects change every second.

// appendObject writes the parts of an object as JSON: partWhole is all of them.
func (s *Series) appendObject(dst []byte, at time.Time, parts part) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, s.ID())
	if parts&partWhole != 0 {
		dst = s.appendIdentity(dst)
		parts = s.wholeParts()
	}
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, at.UnixMilli(), 10)
	if parts&partStatus != 0 {
		dst = append(dst, `,"status":`...)
		dst = appendString(dst, s.Gauges.Status)
	}
	if parts&partRate != 0 {
		dst = s.appendRate(dst)
	}
	if parts&partTotal != 0 {
		dst = append(dst, `,"total":{`...)
		dst = appendCounters(dst, func(dst []byte, c Counter) []byte { return strconv.AppendInt(dst, s.Total[c], 10) })
	}
	return append(s.appendGauges(dst, parts), '}')
}

// wholeParts are those that an object of its kind has.
func (s *Series) wholeParts() part {
	parts := partStatus | partConnections | partRate | partTotal
	if s.Kind != statsock.KindFrontend {
		parts |= partQueue | partTimes | partWeight | partDowntime
	}
	switch s.Kind {
	case statsock.KindBackend:
		parts |= partMembers
	case statsock.KindServer:
		parts |= partCheck
	default:
	}
	return parts
}

func (s *Series) appendIdentity(dst []byte) []byte {
	field := func(name, value string) {
		if value != "" {
			dst = append(dst, `,"`...)
			dst = append(dst, name...)
			dst = append(dst, `":`...)
			dst = appendString(dst, value)
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
	return dst
}

func (s *Series) appendRate(dst []byte) []byte {
	if !s.Known {
		return append(dst, `,"rate":null`...)
	}
	dst = append(dst, `,"rate":{`...)
	return appendCounters(dst, func(dst []byte, c Counter) []byte { return appendTenths(dst, float64(s.Rate[c])) })
}

// appendCounters writes the counters that readers see, up to the closing brace.
func appendCounters(dst []byte, value func([]byte, Counter) []byte) []byte {
	for _, c := range [...]struct {
		name string
		c    Counter
	}{
		{`"requests":`, Requests},
		{`,"sessions":`, Sessions},
		{`,"bytesIn":`, BytesIn},
		{`,"bytesOut":`, BytesOut},
		{`,"1xx":`, Responses1xx},
		{`,"2xx":`, Responses2xx},
		{`,"3xx":`, Responses3xx},
		{`,"4xx":`, Responses4xx},
		{`,"5xx":`, Responses5xx},
		{`,"connectErrors":`, ConnectErrors},
		{`,"responseErrors":`, ResponseErrors},
		{`,"requestErrors":`, RequestErrors},
		{`,"retries":`, Retries},
		{`,"redispatches":`, Redispatches},
	} {
		dst = append(dst, c.name...)
		dst = value(dst, c.c)
	}
	return append(dst, '}')
}

func (s *Series) appendGauges(dst []byte, parts part) []byte {
	g := &s.Gauges
	number := func(name string, v int) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(v), 10)
	}
	if parts&partConnections != 0 {
		number(`,"connections":{"current":`, g.Connections)
		number(`,"max":`, g.MaxConnections)
		number(`,"limit":`, g.Limit)
		dst = append(dst, '}')
	}
	if parts&partQueue != 0 {
		number(`,"queue":{"current":`, g.Queue)
		number(`,"max":`, g.MaxQueue)
		dst = append(dst, '}')
	}
	if parts&partTimes != 0 {
		number(`,"timesMs":{"queue":`, g.QueueMS)
		number(`,"connect":`, g.ConnectMS)
		number(`,"response":`, g.ResponseMS)
		number(`,"total":`, g.TotalMS)
		dst = append(dst, '}')
	}
	if parts&partWeight != 0 {
		number(`,"weight":`, g.Weight)
	}
	if parts&partMembers != 0 && s.Kind == statsock.KindBackend {
		number(`,"members":`, s.Members)
		number(`,"healthy":`, s.Healthy)
	}
	if parts&partDowntime != 0 {
		number(`,"downtimeMs":`, int(g.Downtime.Milliseconds()))
	}
	if parts&partCheck != 0 && s.Kind == statsock.KindServer {
		dst = s.appendCheck(dst)
	}
	return dst
}

func (s *Series) appendCheck(dst []byte) []byte {
	g := &s.Gauges
	dst = append(dst, `,"check":{"status":`...)
	dst = appendString(dst, g.CheckStatus)
	dst = append(dst, `,"code":`...)
	dst = strconv.AppendInt(dst, int64(g.CheckCode), 10)
	dst = append(dst, `,"durationMs":`...)
	dst = strconv.AppendInt(dst, int64(g.CheckMS), 10)
	text := g.CheckText
	if g.CheckSaw != "" {
		text += ": " + g.CheckSaw
	}
	dst = append(dst, `,"description":`...)
	dst = appendString(dst, text)
	if !s.Since.IsZero() {
		dst = append(dst, `,"sinceMs":`...)
		dst = strconv.AppendInt(dst, s.Since.UnixMilli(), 10)
	}
	return append(dst, '}')
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
