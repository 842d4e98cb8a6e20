package statsock

import (
	"strconv"
	"time"
)

// A column puts one field of the CSV into its place; nil skips it.
type column func(d *statDecoder, s *Stat, field []byte) error

// columnOf finds the place of a column by its name in the heading (management
// guide, 9.1).
func columnOf(name string) column {
	switch name {
	case "pxname":
		return repeated(func(s *Stat) *string { return &s.Proxy })
	case "svname":
		return text(func(s *Stat) *string { return &s.Server })
	case "type":
		return func(_ *statDecoder, s *Stat, field []byte) error {
			n, err := parseNumber(field)
			s.Kind = Kind(n)
			return err
		}
	case "mode":
		return repeated(func(s *Stat) *string { return &s.Mode })
	case "addr":
		return text(func(s *Stat) *string { return &s.Address })
	case "cookie":
		return repeated(func(s *Stat) *string { return &s.Cookie })
	case "algo":
		return repeated(func(s *Stat) *string { return &s.Balance })
	case "status":
		return repeated(func(s *Stat) *string { return &s.Status })
	case "check_status":
		return repeated(func(s *Stat) *string { return &s.CheckStatus })
	case "check_desc":
		return repeated(func(s *Stat) *string { return &s.CheckDescription })
	case "last_chk":
		return repeated(func(s *Stat) *string { return &s.LastCheck })
	}
	if c := gaugeColumn(name); c != nil {
		return c
	}
	if c := counterColumn(name); c != nil {
		return c
	}
	return timeColumn(name)
}

func gaugeColumn(name string) column {
	switch name {
	case "iid":
		return number(func(s *Stat) *int { return &s.ProxyID })
	case "sid":
		return number(func(s *Stat) *int { return &s.ServerID })
	case "weight":
		return number(func(s *Stat) *int { return &s.Weight })
	case "act":
		return number(func(s *Stat) *int { return &s.Active })
	case "bck":
		return number(func(s *Stat) *int { return &s.Backup })
	case "check_code":
		return number(func(s *Stat) *int { return &s.CheckCode })
	case "scur":
		return number(func(s *Stat) *int { return &s.CurrentSessions })
	case "smax":
		return number(func(s *Stat) *int { return &s.MaxSessions })
	case "slim":
		return number(func(s *Stat) *int { return &s.SessionLimit })
	case "qcur":
		return number(func(s *Stat) *int { return &s.CurrentQueue })
	case "qmax":
		return number(func(s *Stat) *int { return &s.MaxQueue })
	case "rate":
		return number(func(s *Stat) *int { return &s.SessionRate })
	case "rate_max":
		return number(func(s *Stat) *int { return &s.MaxSessionRate })
	case "req_rate":
		return number(func(s *Stat) *int { return &s.RequestRate })
	case "req_rate_max":
		return number(func(s *Stat) *int { return &s.MaxRequestRate })
	case "used_conn_cur":
		return number(func(s *Stat) *int { return &s.UsedConnections })
	case "srv_icur":
		return number(func(s *Stat) *int { return &s.IdleConnections })
	}
	return nil
}

func counterColumn(name string) column {
	switch name {
	case "stot":
		return number(func(s *Stat) *int64 { return &s.TotalSessions })
	case "req_tot":
		return number(func(s *Stat) *int64 { return &s.TotalRequests })
	case "bin":
		return number(func(s *Stat) *int64 { return &s.BytesIn })
	case "bout":
		return number(func(s *Stat) *int64 { return &s.BytesOut })
	case "dreq":
		return number(func(s *Stat) *int64 { return &s.DeniedRequests })
	case "dresp":
		return number(func(s *Stat) *int64 { return &s.DeniedResponses })
	case "ereq":
		return number(func(s *Stat) *int64 { return &s.RequestErrors })
	case "econ":
		return number(func(s *Stat) *int64 { return &s.ConnectErrors })
	case "eresp":
		return number(func(s *Stat) *int64 { return &s.ResponseErrors })
	case "wretr":
		return number(func(s *Stat) *int64 { return &s.Retries })
	case "wredis":
		return number(func(s *Stat) *int64 { return &s.Redispatches })
	case "cli_abrt":
		return number(func(s *Stat) *int64 { return &s.ClientAborts })
	case "srv_abrt":
		return number(func(s *Stat) *int64 { return &s.ServerAborts })
	case "chkfail":
		return number(func(s *Stat) *int64 { return &s.CheckFails })
	case "chkdown":
		return number(func(s *Stat) *int64 { return &s.CheckDowns })
	case "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx":
		class := int(name[len("hrsp_")] - '1')
		return number(func(s *Stat) *int64 { return &s.Responses[class] })
	case "hrsp_other":
		return number(func(s *Stat) *int64 { return &s.Responses[5] })
	}
	return nil
}

func timeColumn(name string) column {
	switch name {
	case "lastchg":
		return duration(time.Second, func(s *Stat) *time.Duration { return &s.LastChange })
	case "downtime":
		return duration(time.Second, func(s *Stat) *time.Duration { return &s.Downtime })
	case "lastsess":
		return duration(time.Second, func(s *Stat) *time.Duration { return &s.LastSession })
	case "check_duration":
		return duration(time.Millisecond, func(s *Stat) *time.Duration { return &s.CheckTime })
	case "qtime":
		return duration(time.Millisecond, func(s *Stat) *time.Duration { return &s.QueueTime })
	case "ctime":
		return duration(time.Millisecond, func(s *Stat) *time.Duration { return &s.ConnectTime })
	case "rtime":
		return duration(time.Millisecond, func(s *Stat) *time.Duration { return &s.ResponseTime })
	case "ttime":
		return duration(time.Millisecond, func(s *Stat) *time.Duration { return &s.TotalTime })
	}
	return nil
}

// repeated is a column whose texts repeat from line to line.
func repeated(place func(*Stat) *string) column {
	return func(d *statDecoder, s *Stat, field []byte) error {
		*place(s) = d.intern(field)
		return nil
	}
}

// text is a column whose texts are mostly all different within one answer.
func text(place func(*Stat) *string) column {
	return func(d *statDecoder, s *Stat, field []byte) error {
		if d.keep {
			*place(s) = d.intern(field)
		} else {
			*place(s) = string(field)
		}
		return nil
	}
}

func number[T int | int64](place func(*Stat) *T) column {
	return func(_ *statDecoder, s *Stat, field []byte) error {
		n, err := parseNumber(field)
		*place(s) = T(n)
		return err
	}
}

func duration(unit time.Duration, place func(*Stat) *time.Duration) column {
	return func(_ *statDecoder, s *Stat, field []byte) error {
		n, err := parseNumber(field)
		*place(s) = time.Duration(n) * unit
		return err
	}
}

// parseNumber reads a whole number.
func parseNumber(field []byte) (int64, error) {
	if n, ok := parseDigits(field); ok {
		return n, nil
	}
	return strconv.ParseInt(string(field), 10, 64)
}

// parseDigits reads what nearly all numbers are: few digits and nothing else.
func parseDigits(field []byte) (n int64, ok bool) {
	const safe = 18 // digits that an int64 can hold, whichever they are
	if len(field) == 0 || len(field) > safe {
		return 0, false
	}
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
