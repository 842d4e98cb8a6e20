package template

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"thalassa/lb"
)

// check refuses a view with a control character in it, so that no value can span lines. lb's
// parsers accept none, but values may be made in other ways.
func (v View) check() error {
	p := v.Process
	if err := checkTexts("process", []string{p.StatsSocket, p.SocketUser, p.StateFile, p.PeersSocket, v.page(), p.User, p.Group, p.Log}); err != nil {
		return err
	}
	for _, f := range v.Frontends {
		if err := checkTexts("frontend/"+f.Key, f.texts()); err != nil {
			return err
		}
	}
	for _, b := range v.Backends {
		if err := checkTexts("backend/"+b.Key, b.texts()); err != nil {
			return err
		}
	}
	for _, s := range append(v.rawSections(), SectionView{Kind: lb.SectionGlobal, Natives: v.Global}, SectionView{Kind: lb.SectionDefaults, Natives: v.Defaults}) {
		if err := checkTexts(s.title(), s.texts()); err != nil {
			return err
		}
	}
	return nil
}

// page is the bind line of the statistics page for the agent; empty: there is none.
func (v View) page() string {
	if v.Page == nil {
		return ""
	}
	return v.Page.Bind
}

// checkStatsBind refuses a frontend at the address of HAProxy's statistics page.
func checkStatsBind(c lb.Config) error {
	stats := c.Process.StatsBind
	for _, s := range c.Sections {
		if stats != nil && s.ListensOn(*stats) {
			return fmt.Errorf("%s binds %s, the address of HAProxy's own statistics page (haproxy-stats-bind)", s.ID(), stats)
		}
	}
	for _, f := range c.Frontends {
		if stats != nil && f.ListensOn(*stats) {
			return fmt.Errorf("%s binds %s, the address of HAProxy's own statistics page (haproxy-stats-bind)", f.ID(), stats)
		}
	}
	return nil
}

func checkTexts(object string, list []string) error {
	for _, s := range list {
		if strings.ContainsFunc(s, isControl) {
			return fmt.Errorf("%s holds a control character: %s", object, abridged(s))
		}
	}
	return nil
}

// texts lists every string of the frontend that can be anything.
func (f FrontendView) texts() []string {
	out := append([]string{f.Key, f.Mode, f.Backend, f.Keepalive}, f.Binds...)
	out = append(out, f.Natives...)
	for _, r := range f.Rules {
		out = append(append(out, r.Fetch, r.Backend), r.Values...)
	}
	return out
}

// texts lists every string of the backend that can be anything.
func (b BackendView) texts() []string {
	out := append([]string{b.Key, b.Mode, b.Balance, b.Host}, b.Natives...)
	if b.Health != nil {
		out = append(out, b.Health.Method, b.Health.URI, b.Health.Version, b.Health.Host)
	}
	for _, s := range b.Servers {
		out = append(out, s.Name, s.Address)
	}
	return out
}

// audit parses out with this package's scanner and with the library's, and compares the result with
// the View.
func (t *Template) audit(v View, out []byte) error {
	skeleton, err := t.skeleton(v)
	if err != nil {
		return err
	}
	text := string(out)
	d, err := scan(text)
	if err != nil {
		return err
	}
	if d.directives != skeleton.directives {
		return fmt.Errorf("the preprocessor lines are %d, and %d without frontends and backends", d.directives, skeleton.directives)
	}
	if err := compareSections(v, skeleton, d); err != nil {
		return err
	}
	if err := compareLines(v, d); err != nil {
		return err
	}
	if err := compareRaw(v, d); err != nil {
		return err
	}
	return t.confirmation.confirm(d)
}

// skeleton is what the template makes of v without frontends, backends and raw sections.
func (t *Template) skeleton(v View) (document, error) {
	v.Frontends, v.Backends, v.NamedDefaults, v.Sections = nil, nil, nil, nil
	out, err := t.execute(v, 0)
	if err != nil {
		return document{}, err
	}
	return scan(string(out))
}

// compareSections demands the sections of the skeleton, one per frontend, one per backend
// and one per raw section.
func compareSections(v View, skeleton, d document) error {
	wanted := map[string]int{}
	for _, s := range skeleton.sections {
		wanted[s.title()]++
	}
	for _, f := range v.Frontends {
		wanted["frontend "+f.Key]++
	}
	for _, b := range v.Backends {
		wanted["backend "+b.Key]++
	}
	for _, s := range v.rawSections() {
		wanted[s.title()]++
	}
	seen := map[string]bool{}
	for _, s := range d.sections {
		title := s.title()
		if wanted[title] == 0 {
			return fmt.Errorf("line %d opens the section %q, which was not asked for", s.line, title)
		}
		if once := s.kind != lb.SectionGlobal && title != lb.SectionDefaults; once && seen[title] {
			return fmt.Errorf("line %d opens the section %q for the second time", s.line, title)
		}
		seen[title] = true
		wanted[title]--
	}
	for title, missing := range wanted {
		if missing > 0 {
			return v.missing(title)
		}
	}
	return nil
}

// compareLines demands that the lines of each frontend and backend are those of
// the view.
func compareLines(v View, d document) error {
	sections := map[string]section{}
	for _, s := range d.sections {
		sections[s.title()] = s
	}
	for _, f := range v.Frontends {
		if err := f.compare(sections["frontend "+f.Key]); err != nil {
			return err
		}
	}
	for _, b := range v.Backends {
		if err := b.compare(sections["backend "+b.Key]); err != nil {
			return err
		}
	}
	return nil
}

func (f FrontendView) compare(s section) error {
	s, err := s.without(f.Natives)
	if err != nil {
		return err
	}
	targets := make([]string, len(f.Rules))
	for i, r := range f.Rules {
		targets[i] = r.Backend
	}
	var fallback []string
	if f.Backend != "" {
		fallback = []string{f.Backend}
	}
	return cmp.Or(
		s.expectDefaults(f.Defaults),
		s.expectBinds(f.Binds),
		s.expect("use_backend", 1, targets),
		s.expect("default_backend", 1, fallback),
		s.expect("server", 1, nil),
	)
}

func (b BackendView) compare(s section) error {
	s, err := s.without(b.Natives)
	if err != nil {
		return err
	}
	names := make([]string, len(b.Servers))
	addresses := make([]string, len(b.Servers))
	var options map[string][]string // by name of the server; nil, as in most backends: none
	for i, server := range b.Servers {
		address, own, has := strings.Cut(server.Address, " ")
		names[i], addresses[i] = server.Name, address
		if has {
			if options == nil {
				options = map[string][]string{}
			}
			options[server.Name] = strings.Fields(own)
		}
	}
	return cmp.Or(
		s.expectDefaults(b.Defaults),
		s.expect("server", 1, names),
		s.expect("server", 2, addresses),
		s.expectOptions(options),
		s.expect("bind", 1, nil),
		s.expect("use_backend", 1, nil),
		s.expect("default_backend", 1, nil),
	)
}

// expectOptions demands options of servers behind their addresses.
func (s section) expectOptions(of map[string][]string) error {
	if len(of) == 0 {
		return nil
	}
	for _, l := range s.lines {
		if l.keyword() != "server" || len(l.words) < 3 {
			continue
		}
		if want := of[l.words[1]]; len(l.words) < 3+len(want) || !slices.Equal(l.words[3:3+len(want)], want) {
			return fmt.Errorf("the section %q has the line %s, where %s should follow the address", s.title(), abridged(l.text), abridged(strings.Join(want, " ")))
		}
	}
	return nil
}

// without takes the natives' lines out of s, each of which has to be there, in
// order.
func (s section) without(natives []string) (section, error) {
	rest := s
	rest.lines = make([]line, 0, len(s.lines))
	left := withWords(natives)
	for _, l := range s.lines {
		if len(left) > 0 && l.is(left[0]) {
			left = left[1:]
			continue
		}
		rest.lines = append(rest.lines, l)
	}
	if len(left) > 0 {
		return rest, fmt.Errorf("the section %q lacks the line %s", s.title(), abridged(left[0]))
	}
	return rest, nil
}

// withWords leaves out the natives that are comments: a section holds no
// comments once it is read.
func withWords(natives []string) []string {
	out := make([]string, 0, len(natives))
	for _, n := range natives {
		if !strings.HasPrefix(n, "#") {
			out = append(out, n)
		}
	}
	return out
}

// expectBinds demands bind lines that begin with those texts. A template may add options.
func (s section) expectBinds(wanted []string) error {
	words := make([][]string, len(wanted))
	addresses := make([]string, len(wanted))
	for i, text := range wanted {
		w, err := lb.SplitWords(text)
		if err != nil || len(w.Values) == 0 || strings.Join(w.Raw, " ") != text { // or a part is a comment
			return fmt.Errorf("bind %s: it cannot be read", abridged(text))
		}
		words[i], addresses[i] = w.Values, w.Values[0]
	}
	if err := s.expect("bind", 1, addresses); err != nil {
		return err
	}
	for _, l := range s.lines {
		if l.keyword() != "bind" || len(l.words) < 2 {
			continue
		}
		if want := words[0]; len(l.words) <= len(want) || !slices.Equal(l.words[1:len(want)+1], want) {
			return fmt.Errorf("the section %q has the line %s where bind %s went in", s.title(), abridged(l.text), abridged(strings.Join(want, " ")))
		}
		words = words[1:]
	}
	return nil
}

// expect demands the words at position at of the lines that begin with keyword.
func (s section) expect(keyword string, at int, wanted []string) error {
	got := s.values(keyword, at)
	if slices.Equal(got, wanted) {
		return nil
	}
	for i := range max(len(got), len(wanted)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("the section %q lacks a %s line with %s", s.title(), keyword, abridged(wanted[i]))
		case i >= len(wanted):
			return fmt.Errorf("the section %q has a %s line with %s, which was not asked for", s.title(), keyword, abridged(got[i]))
		case got[i] != wanted[i]:
			return fmt.Errorf("the section %q has a %s line with %s where %s went in", s.title(), keyword, abridged(got[i]), abridged(wanted[i]))
		}
	}
	return nil
}
