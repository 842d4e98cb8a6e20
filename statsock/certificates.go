package statsock

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// A ListEntry is a line of a crt-list.
type ListEntry struct {
	File string
	Line int
}

// A LoadedCertificate is what HAProxy has loaded from a file.
type LoadedCertificate struct {
	Serial string // hexadecimal, in lower case, without leading zeros
	SHA1   string // hexadecimal, in lower case
	// Chain is the number of certificates behind the first one.
	Chain int
}

// Loaded lists the files of a kind that HAProxy has loaded.
type Loaded struct {
	Files []string
	// Pending is the file of a change that is not committed; empty: there is none. HAProxy
	// has one at most.
	Pending string
}

// ShowLists asks for the names of the crt-lists.
func (s *Session) ShowLists(ctx context.Context) ([]string, error) {
	answers, err := s.Do(ctx, "show ssl crt-list")
	if err != nil {
		return nil, err
	}
	return loaded(answers[0]).Files, nil
}

// ShowLoaded asks for the files of a kind: "cert", "ca-file" or "crl-file".
func (s *Session) ShowLoaded(ctx context.Context, kind string) (Loaded, error) {
	answers, err := s.Do(ctx, "show ssl "+kind)
	if err != nil {
		return Loaded{}, err
	}
	return loaded(answers[0]), nil
}

// loaded reads names of files, which begin with "*" where a change is not committed. Those of
// authorities are followed by their number.
func loaded(text string) Loaded {
	var out Loaded
	for line := range strings.Lines(text) {
		name := strings.TrimSpace(line)
		name, _, _ = strings.Cut(name, " - ")
		switch {
		case name == "" || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "*"):
			out.Pending = name[1:]
		default:
			out.Files = append(out.Files, name)
		}
	}
	return out
}

// ShowList asks for the lines of a crt-list.
func (s *Session) ShowList(ctx context.Context, list string) ([]ListEntry, error) {
	answers, err := s.Do(ctx, "show ssl crt-list -n "+list)
	if err != nil {
		return nil, err
	}
	var out []ListEntry
	for line := range strings.Lines(answers[0]) {
		first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if first == "" || first == "#" {
			continue
		}
		i := strings.LastIndexByte(first, ':')
		if i < 0 {
			return nil, fmt.Errorf("reading a crt-list: %w", refusal(answers[0]))
		}
		number, err := strconv.Atoi(first[i+1:])
		if err != nil {
			return nil, fmt.Errorf("reading a crt-list: %w", refusal(answers[0]))
		}
		out = append(out, ListEntry{File: first[:i], Line: number})
	}
	return out, nil
}

// ShowCertificates asks what is loaded from some files of a kind: one for each certificate of
// a file.
func (s *Session) ShowCertificates(ctx context.Context, kind string, files ...string) ([][]LoadedCertificate, error) {
	commands := make([]string, len(files))
	for i, f := range files {
		commands[i] = "show ssl " + kind + " " + f
	}
	answers, err := s.DoAll(ctx, commands...)
	if err != nil {
		return nil, err
	}
	out := make([][]LoadedCertificate, len(files))
	for i, answer := range answers {
		out[i] = parseCertificates(answer)
	}
	return out, nil
}

// parseCertificates reads the certificates of one file. Those of a file without one have no
// serial number.
func parseCertificates(text string) []LoadedCertificate {
	var out []LoadedCertificate
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if key == "Serial" {
			serial := strings.TrimLeft(strings.ToLower(value), "0")
			out = append(out, LoadedCertificate{Serial: serial})
		}
		if len(out) == 0 {
			continue
		}
		last := &out[len(out)-1]
		switch key {
		case "SHA1 FingerPrint":
			last.SHA1 = strings.ToLower(value)
		case "Chain Subject":
			last.Chain++
		}
	}
	return out
}
