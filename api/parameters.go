package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// params are the query parameters of a request, with the problems found so far.
type params struct {
	values url.Values
	bad    []lb.FieldError
}

// parameters reads the query of r. A parameter that is not among known, or that
// is repeated, is a problem: otherwise a misspelled one would be ignored.
func parameters(r *http.Request, known ...string) *params {
	values, err := url.ParseQuery(r.URL.RawQuery)
	p := &params{values: values}
	if err != nil {
		p.add("query", "is not decodable", "name=value pairs, percent-encoded, joined by &")
	}
	expected := "none"
	if len(known) > 0 {
		expected = "one of " + strings.Join(known, ", ")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		switch {
		case !slices.Contains(known, name):
			p.add(shown(name), "is not a parameter of this path", expected)
		case len(values[name]) > 1:
			p.add(name, "is given more than once", "one value")
		}
	}
	return p
}

func (p *params) add(path, problem, expected string) {
	p.bad = append(p.bad, lb.FieldError{Path: path, Problem: problem, Expected: expected})
}

// err is an *lb.InvalidError of every problem found.
func (p *params) err() error {
	if len(p.bad) == 0 {
		return nil
	}
	return &lb.InvalidError{Fields: p.bad}
}

func (p *params) text(name string) string { return p.values.Get(name) }

// before accepts a sequence number that an answer ends before; 0 when it is absent.
func (p *params) before() uint64 {
	s := p.text("before")
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.add("before", strconv.Quote(s)+" is not a number", "a whole number")
	}
	return n
}

// flag accepts 1 and 0, true and false; false when it is absent.
func (p *params) flag(name string) bool {
	s := p.text(name)
	switch s {
	case "1", "true":
		return true
	case "", "0", "false":
		return false
	}
	p.add(name, strconv.Quote(s)+" is not a flag", "1 or 0")
	return false
}

// limit accepts the maximum number of entries in the answer.
func (p *params) limit() int {
	s := p.text("limit")
	if s == "" {
		return activity.DefaultLimit
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > activity.MaxLimit {
		p.add("limit", strconv.Quote(s)+" is not a limit", "a number from 1 to "+strconv.Itoa(activity.MaxLimit))
	}
	return n
}

// wait accepts the time that a request may wait, up to maxWait; 0 when it is absent.
func (p *params) wait() time.Duration {
	s := p.text("wait")
	if s == "" {
		return 0
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxWait {
		p.add("wait", strconv.Quote(s)+" is not a duration", `a duration up to 10m, e.g. "30s"`)
	}
	return d
}

// since accepts a sequence number or a time.
func (p *params) since() (seq uint64, at time.Time) {
	s := p.text("since")
	if s == "" {
		return 0, time.Time{}
	}
	if seq, err := strconv.ParseUint(s, 10, 64); err == nil {
		return seq, time.Time{}
	}
	at, err := parseTime(s)
	if err != nil {
		p.add("since", strconv.Quote(s)+" is neither a sequence number nor a time", "a whole number or RFC 3339, e.g. 2006-01-02T15:04:05Z")
	}
	return 0, at
}

// time accepts a time; zero when it is absent.
func (p *params) time(name string) time.Time {
	s := p.text(name)
	if s == "" {
		return time.Time{}
	}
	at, err := parseTime(s)
	if err != nil {
		p.add(name, strconv.Quote(s)+" is not a time", "RFC 3339, e.g. 2006-01-02T15:04:05Z")
	}
	return at
}

// parseTime also accepts a "+" that was not percent-encoded and has become a space.
func parseTime(s string) (time.Time, error) {
	return time.Parse(time.RFC3339, strings.ReplaceAll(s, " ", "+"))
}
