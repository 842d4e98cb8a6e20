package lb

import (
	"slices"
	"strconv"
	"strings"
)

// Challenges is how HAProxy answers HTTP-01 challenges.
type Challenges struct {
	// Map is the path of the file of answers, in the characters of a word of haproxy.cfg;
	// empty: HAProxy answers none.
	Map string
	// Port is the port where HAProxy gets the connections of certificate authorities: 80 unless
	// something forwards it.
	Port uint16
	// Always has HAProxy answer though no certificate of the intent is ordered by HTTP-01: one
	// of the agent's own is.
	Always bool
}

// IsMapPath reports whether a path needs no quotes in an expression of haproxy.cfg.
func IsMapPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool {
		return r >= 0x80 || !isAlnum(byte(r)) && !strings.ContainsRune("/._-", r)
	})
}

// WantsChallenges reports whether an order needs HAProxy to answer challenges.
func (in Intent) WantsChallenges() bool {
	for _, c := range in.Certificates {
		if c.ACME != nil && c.ACME.Challenge == HTTP01 {
			return true
		}
	}
	return false
}

// answers are the addresses of a frontend at which it can answer challenges; reason says
// why one that has the port cannot.
func (f Frontend) answers(port uint16) (binds []Bind, reason string) {
	for _, b := range f.Binds {
		if b.Port == port {
			binds = append(binds, b)
		}
	}
	if f.RawBind != "" && strings.Contains(string(f.RawBind), ":"+strconv.Itoa(int(port))) {
		return nil, f.ID() + " binds port " + strconv.Itoa(int(port)) + " with options"
	}
	if len(binds) > 0 && f.Mode != "http" {
		return nil, f.ID() + " binds port " + strconv.Itoa(int(port)) + " in mode " + f.Mode
	}
	return binds, ""
}

// AnswersChallenges reports whether HAProxy answers challenges at the frontend: it binds
// the port in mode http, as an address without options.
func (f Frontend) AnswersChallenges(port uint16) bool {
	binds, _ := f.answers(port)
	return len(binds) > 0
}

// ChallengeBinds are the addresses at which HAProxy answers challenges. Without any, the
// reason says why.
func (in Intent) ChallengeBinds(port uint16) (binds []Bind, reason string) {
	var reasons []string
	for _, f := range in.SortedFrontends() {
		some, why := f.answers(port)
		binds = append(binds, some...)
		if why != "" {
			reasons = append(reasons, why+", where HAProxy cannot answer challenges")
		}
	}
	if len(binds) > 0 {
		return binds, ""
	}
	wanted := "no frontend binds port " + strconv.Itoa(int(port)) + " in mode http"
	return nil, strings.Join(slices.Concat([]string{wanted}, reasons), "; ")
}
