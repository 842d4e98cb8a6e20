package template

import (
	"crypto/sha256"
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

// batch is how many frontends and backends the library reads at a time. What it makes
// of a thousand would be more memory than all the rest of a rendering takes.
const batch = 64

// closing is a section behind each batch: what swallows the next section is noticed
// wherever it stands.
const closing = "mailers closing\n"

// A confirmation is what the library has read the same way as this package does. The
// zero value knows nothing; any number of goroutines may use it.
type confirmation struct {
	mu    sync.Mutex
	known map[digest]bool // frontends and backends of the last rendering
}

// A digest stands for a frontend or backend and all that is neither, as they are
// written.
type digest [sha256.Size]byte

// confirm has the library read d as well, which must find the same sections and
// the same addresses and targets in them. It reads the frontends and backends that
// are new since it was asked last, with everything that is neither.
func (c *confirmation) confirm(d document) error {
	rest, proxies := d.split()
	digests := digestsOf(rest, proxies)
	c.mu.Lock()
	known := c.known
	c.mu.Unlock()
	var fresh []document
	for i, p := range proxies {
		if !known[digests[i]] {
			fresh = append(fresh, p)
		}
	}
	if len(proxies) == 0 {
		fresh = append(fresh, document{})
	}
	end, err := scan(closing)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(fresh, batch) {
		if err := confirm(rest.with(slices.Concat(some, []document{end})...)); err != nil {
			return err
		}
	}
	known = make(map[digest]bool, len(digests))
	for _, sum := range digests {
		known[sum] = true
	}
	c.mu.Lock()
	c.known = known // never changed any more
	c.mu.Unlock()
	return nil
}

// split takes the frontends and backends out, each as a document of its own.
func (d document) split() (rest document, proxies []document) {
	end := len(d.lines)
	for _, s := range slices.Backward(d.sections) {
		one := document{lines: d.lines[s.line-1 : end], sections: []section{s}}
		end = s.line - 1
		if s.kind == string(parser.Frontends) || s.kind == string(parser.Backends) {
			proxies = append(proxies, one)
		} else {
			rest = one.with(rest)
		}
	}
	slices.Reverse(proxies)
	return document{lines: d.lines[:end]}.with(rest), proxies
}

// with is a document of d and others behind it.
func (d document) with(others ...document) document {
	d.lines, d.sections = slices.Clone(d.lines), slices.Clone(d.sections)
	for _, o := range others {
		d.lines = append(d.lines, o.lines...)
		d.sections = append(d.sections, o.sections...)
	}
	return d
}

func digestsOf(rest document, proxies []document) []digest {
	text := rest.appendOutline(nil)
	begin := len(text)
	out := make([]digest, len(proxies))
	for i, p := range proxies {
		text = p.appendOutline(text[:begin])
		out[i] = sha256.Sum256(text)
	}
	return out
}

// confirm is that of a whole document.
func confirm(d document) error {
	p, err := readWithLibrary(string(d.appendOutline(nil)))
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

// appendOutline writes the document as it is, with the bind and server lines cut after
// their addresses. The library knows the options of one HAProxy version only,
// and takes a tenth of a millisecond for those of one server.
func (d document) appendOutline(dst []byte) []byte {
	for _, l := range d.lines {
		keep := 0
		switch l.keyword() {
		case "bind":
			keep = 2
		case "server":
			keep = 3
		}
		if keep == 0 || len(l.raw) <= keep {
			dst = append(append(dst, l.text...), '\n')
			continue
		}
		for i, word := range l.raw[:keep] {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, word...)
		}
		dst = append(dst, '\n')
	}
	return dst
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
