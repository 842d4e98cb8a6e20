package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

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
		p.bad = append(p.bad, undecodable())
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

// undecodable says that a query cannot be read.
func undecodable() lb.FieldError {
	return lb.FieldError{Path: "query", Problem: "is not decodable", Expected: "name=value pairs, percent-encoded, joined by &"}
}

// CheckParameters refuses parameters in the query of a request that are not among known, or are
// repeated.
func CheckParameters(r *http.Request, known ...string) error { return parameters(r, known...).err() }

// onlyKnown wraps the handler of a route that changes something: where the query can have no
// parameters, it is refused with any. Whoever sends dryRun where there is none must not find the
// change made.
func onlyKnown(r Route) echo.HandlerFunc {
	if isSafe(r.Method) || r.takesParameters() {
		return r.Handle
	}
	return func(c echo.Context) error {
		if err := CheckParameters(c.Request()); err != nil {
			return err
		}
		return r.Handle(c)
	}
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

// flag accepts 1 and 0, true and false; false when it is absent. One without a value is refused:
// whoever sends ?dryRun means it.
func (p *params) flag(name string) bool {
	switch s := p.text(name); {
	case s == "1", s == "true":
		return true
	case s == "0", s == "false", !p.values.Has(name):
	default:
		p.add(name, strconv.Quote(s)+" is not a flag", "1 or 0")
	}
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
