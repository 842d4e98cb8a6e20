package template

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	parser "github.com/haproxytech/config-parser/v5"
	"github.com/haproxytech/config-parser/v5/options"
	"github.com/haproxytech/config-parser/v5/types"
)

// libraryLock guards the variable parser.DefaultSectionName, which the library
// writes while it reads a configuration.
var libraryLock sync.Mutex //nolint:gochecknoglobals // guards the library's own global

// confirm has the library read d as well, which must find the same sections and
// the same addresses and targets in them.
func confirm(d document) error {
	p, err := readWithLibrary(d.outline())
	if err != nil {
		return fmt.Errorf("reading the rendering back: %w", err)
	}
	if err := confirmSections(p, d); err != nil {
		return err
	}
	for _, s := range d.sections {
		if err := confirmLines(p, s); err != nil {
			return err
		}
	}
	return nil
}

// readWithLibrary gives the library no logger, so that it writes nowhere.
func readWithLibrary(text string) (parser.Parser, error) {
	libraryLock.Lock()
	defer libraryLock.Unlock()
	return parser.New(options.Reader(strings.NewReader(text)))
}

// outline is the document as it is, with the bind and server lines cut after
// their addresses. The library knows the options of one HAProxy version only,
// and takes a tenth of a millisecond for those of one server.
func (d document) outline() string {
	var b strings.Builder
	for _, l := range d.lines {
		text := l.text
		if keep := map[string]int{"bind": 2, "server": 3}[l.keyword()]; keep > 0 && len(l.raw) > keep {
			text = strings.Join(l.raw[:keep], " ")
		}
		b.WriteString(text)
		b.WriteByte('\n')
	}
	return b.String()
}

// confirmSections compares the names of the sections of each kind that the
// library knows.
func confirmSections(p parser.Parser, d document) error {
	names := map[parser.Section]map[string]bool{}
	unnamed := 0
	for _, s := range d.sections {
		kind, name := parser.Section(s.kind), s.name
		if kind == parser.Defaults && name == "" {
			unnamed++
			name = fmt.Sprint("unnamed_defaults_", unnamed) // the library's word for it
		}
		if names[kind] == nil {
			names[kind] = map[string]bool{}
		}
		names[kind][name] = true
	}
	for _, kind := range []parser.Section{
		parser.Defaults, parser.Resolvers, parser.UserList, parser.Peers, parser.Mailers, parser.Frontends, parser.Backends,
		parser.Listen, parser.Cache, parser.Program, parser.HTTPErrors, parser.Ring, parser.LogForward, parser.FCGIApp,
	} {
		found, err := p.SectionsGet(kind)
		if err != nil {
			return fmt.Errorf("listing the %s sections: %w", kind, err)
		}
		for _, name := range found {
			name = unquoted(name)
			if !names[kind][name] {
				return fmt.Errorf("the section %q can be read in two ways", strings.TrimSpace(string(kind)+" "+name))
			}
			delete(names[kind], name)
		}
		for name := range names[kind] {
			return fmt.Errorf("the section %q can be read in two ways", strings.TrimSpace(string(kind)+" "+name))
		}
	}
	return nil
}

// confirmLines compares the addresses and targets in a frontend or backend.
func confirmLines(p parser.Parser, s section) error {
	var words []libraryWord
	switch s.kind {
	case string(parser.Frontends):
		words = append(words,
			libraryWord{"bind", 1, collect(p, s, "bind", func(b types.Bind) string { return b.Path })},
			libraryWord{"use_backend", 1, collect(p, s, "use_backend", func(u types.UseBackend) string { return u.Name })},
		)
	case string(parser.Backends):
		words = append(words,
			libraryWord{"server", 1, collect(p, s, "server", func(s types.Server) string { return s.Name })},
			libraryWord{"server", 2, collect(p, s, "server", func(s types.Server) string { return s.Address })},
		)
	}
	for _, w := range words {
		if !slices.Equal(w.found, s.values(w.keyword, w.at)) {
			return fmt.Errorf("the %s lines of the section %q can be read in two ways", w.keyword, s.title())
		}
	}
	return nil
}

// A libraryWord is what the library found at one position of the lines that
// begin with keyword.
type libraryWord struct {
	keyword string
	at      int
	found   []string
}

// collect asks the library for the lines of s that begin with keyword.
func collect[T any](p parser.Parser, s section, keyword string, word func(T) string) []string {
	data, err := p.Get(parser.Section(s.kind), s.rawName, keyword)
	lines, _ := data.([]T)
	if err != nil || len(lines) == 0 { // the library's error says that there are none
		return nil
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = unquoted(word(l))
	}
	return out
}

// unquoted is what a word stands for that the library gives as it is written.
func unquoted(raw string) string {
	l, err := newLine(0, raw)
	if err != nil || len(l.words) != 1 {
		return raw
	}
	return l.words[0]
}
