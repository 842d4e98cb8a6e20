package statsock

import (
	"context"
	"strings"
	"time"
)

// LoadedRevocations are the revocation lists that HAProxy has loaded from a file.
type LoadedRevocations struct {
	Lists []LoadedList
	// Revoked are the serial numbers in all lists: hexadecimal, in lower case, without leading
	// zeros.
	Revoked []string
	// IsCut: HAProxy shows no more than fits into its buffer, and has more.
	IsCut bool
}

// A LoadedList is when a revocation list was made, and when it expires.
type LoadedList struct{ ThisUpdate, NextUpdate time.Time }

// cutAt is a length of an answer, in bytes, from which on HAProxy may have left something out:
// it fits into its buffer (tune.bufsize, 16 KB) at most.
const cutAt = 15 << 10

// ShowRevocations asks for the revocation lists of some files.
func (s *Session) ShowRevocations(ctx context.Context, files ...string) ([]LoadedRevocations, error) {
	commands := make([]string, len(files))
	for i, f := range files {
		commands[i] = "show ssl crl-file " + f
	}
	answers, err := s.DoAll(ctx, commands...)
	if err != nil {
		return nil, err
	}
	out := make([]LoadedRevocations, len(files))
	for i, answer := range answers {
		out[i] = parseRevocations(answer)
	}
	return out, nil
}

func parseRevocations(text string) LoadedRevocations {
	out := LoadedRevocations{IsCut: len(text) >= cutAt}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Last Update":
			out.Lists = append(out.Lists, LoadedList{ThisUpdate: openSSLTime(value)})
		case "Next Update":
			if last := len(out.Lists) - 1; last >= 0 {
				out.Lists[last].NextUpdate = openSSLTime(value)
			}
		case "Serial Number":
			out.Revoked = append(out.Revoked, strings.TrimLeft(strings.ToLower(value), "0"))
		}
	}
	if last := len(out.Revoked) - 1; out.IsCut && last >= 0 {
		out.Revoked = out.Revoked[:last] // it may be cut in its middle
	}
	return out
}

// openSSLTime reads a time as ASN1_TIME_print writes it; the zero time: it is none.
func openSSLTime(s string) time.Time {
	t, err := time.Parse("Jan _2 15:04:05 2006 MST", s)
	if err != nil {
		return time.Time{}
	}
	return t
}
