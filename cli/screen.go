package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	nodeapi "thalassa/api/node"
	"thalassa/client"
	"thalassa/lb"
)

// A screen is what `thalassa top` knows and how it is to be shown.
type screen struct {
	label, version string
	informed       bool // status is the agent's
	status         nodeapi.Status
	objects        map[string]map[string]map[string]json.RawMessage // topic, id, field
	stats          map[string]figures
	trouble        string // why there is nothing new

	sort    key // n, r, e or t
	members bool
	search  search
	scroll  scroll
}

// A line is one line of a screen. Its text is free of control characters.
type line struct {
	text  string
	color int // as terminals number them; 0: none
}

const (
	reverse = 7
	red     = 31
	yellow  = 33
)

// painted is the line as a terminal shows it in its color.
func (l line) painted() string {
	if l.color == 0 {
		return l.text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", l.color, l.text)
}

// figures are a stat object as far as it is shown.
type figures struct {
	ID, Type, Key, Backend, Version, Status string
	Rate                                    map[string]float64
	Connections                             struct{ Current, Max int }
	Queue                                   struct{ Current int }
	TimesMs                                 struct{ Response int }
	Weight, Members, Healthy                int
	Check                                   struct{ Status, Description string }
}

func newScreen() *screen {
	return &screen{objects: map[string]map[string]map[string]json.RawMessage{}, stats: map[string]figures{}, sort: 'n', members: true}
}

// errors per second. HAProxy counts the 5xx that it answers itself for frontends and
// backends of mode http, and not for servers.
func (f figures) errors() float64 {
	lost := f.Rate["connectErrors"] + f.Rate["responseErrors"]
	if f.Type == "backendMember" {
		return f.Rate["5xx"] + lost
	}
	return max(f.Rate["5xx"], lost)
}

// take learns from a frame.
func (s *screen) take(f client.Frame) error {
	switch f.Type {
	case "lost":
		s.trouble = f.Message
		return nil
	case "hello":
		s.trouble, s.label, s.version = "", f.Label, f.Version
		return nil
	case "state":
		s.objects[f.Topic] = map[string]map[string]json.RawMessage{}
		if f.Topic == "stat" {
			s.stats = map[string]figures{}
		}
	}
	for _, data := range slices.Concat(f.Objects, f.Changed) {
		if err := s.learn(f.Topic, data); err != nil {
			return fmt.Errorf("reading the agent's stream: %w", err)
		}
	}
	for _, id := range f.Removed {
		delete(s.objects[f.Topic], id)
		delete(s.stats, id)
	}
	return nil
}

// learn puts an object, or what has changed in it, to what is known.
func (s *screen) learn(topic string, data json.RawMessage) error {
	var id struct{ ID, Type string }
	if err := json.Unmarshal(data, &id); err != nil {
		return err
	}
	if topic == "status" {
		s.informed, s.status = true, nodeapi.Status{} // what is not told is no more
		return json.Unmarshal(data, &s.status)
	}
	if topic == "stat" {
		f := s.stats[id.ID]
		if id.Type != "" { // it is whole
			f = figures{}
		}
		if err := json.Unmarshal(data, &f); err != nil { // leaves what is not there as it is
			return err
		}
		s.stats[id.ID] = f
		return nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if s.objects[topic] == nil {
		s.objects[topic] = map[string]map[string]json.RawMessage{}
	}
	s.objects[topic][id.ID] = fields
	return nil
}

// field is a text of an object.
func (s *screen) field(topic, id, name string) string {
	var text string
	_ = json.Unmarshal(s.objects[topic][id][name], &text) // absent or no text: empty
	return text
}

// lines draws everything, no wider than width (0: as wide as it is). With a height it is
// a window: the state is at its top, the keys are at its bottom, and the lines between
// them are those that are scrolled to.
func (s *screen) lines(width, height int) []line {
	head := s.head()
	rows, headings := s.rows()
	body := table(rows, width)
	if height <= 0 {
		return fit(append(head, body...), width)
	}
	head = head[:min(len(head), max(1, height-3))]
	room := max(0, height-len(head)-1)
	out := slices.Concat(head, s.scroll.window(body, headings, room))
	out = append(out, line{s.hints(), reverse})
	return fit(out[max(0, len(out)-height):], width)
}

// rows are those of the table that the search finds, and the indexes of its headings.
func (s *screen) rows() (rows []tableRow, headings []int) {
	head := func(name, third, fourth string) {
		rows = append(rows, tableRow{})
		headings = append(headings, len(rows))
		rows = append(rows, tableRow{cells: columnHeadings(name, third, fourth)})
	}
	head("FRONTEND", "", "BIND")
	for _, f := range s.sorted("frontend", "") {
		if bind := s.field("frontends", "frontend/"+f.Key, "bind"); s.search.finds(f.Key, f.Status, bind) {
			rows = append(rows, s.figuresRow(f.Key, f, f.Status, "", bind))
		}
	}
	head("BACKEND", "UP", "VERSION")
	for _, f := range s.sorted("backend", "") {
		rows = append(rows, s.backendRows(f)...)
	}
	return rows, headings
}

// backendRows are a backend and its members: all of them if the search finds the backend,
// else those that it finds.
func (s *screen) backendRows(f figures) []tableRow {
	status, _, _ := strings.Cut(f.Status, " (")
	version := s.versionOf(f.Key)
	found := s.search.finds(f.Key, status, version, s.field("backends", "backend/"+f.Key, "name"))
	var members []tableRow
	for _, m := range s.sorted("backendMember", f.Key) {
		if found || s.search.finds(m.Key, m.Status, m.Check.Status, m.Version) {
			members = append(members, s.figuresRow("  "+m.Key, m, m.Status, m.Check.Status, m.Version))
		}
	}
	if !found && len(members) == 0 {
		return nil
	}
	if !s.members {
		members = nil
	}
	up := strconv.Itoa(f.Healthy) + "/" + strconv.Itoa(f.Members)
	return append([]tableRow{s.figuresRow(f.Key, f, status, up, version)}, members...)
}

// columnHeadings are those of a part of the table.
func columnHeadings(name, third, fourth string) []string {
	return []string{name, "STATUS", third, fourth, "REQ/S", "ERR/S", "CONN", "QUEUE", "MS", "IN/S", "OUT/S"}
}

// fit cuts lines to a width. What they hold comes from others and must not move the
// cursor.
func fit(lines []line, width int) []line {
	for i, l := range lines {
		lines[i].text = clip(oneLine(l.text), width)
	}
	return lines
}

// clip cuts a text after so many characters (0: nowhere).
func clip(text string, width int) string {
	n := 0
	for i := range text {
		if width > 0 && n == width {
			return text[:i]
		}
		n++
	}
	return text
}

func (s *screen) head() []line {
	name := s.label
	if name == "" {
		name = "thalassa"
	}
	if !s.informed {
		return []line{{text: name + "  waiting for the agent"}}
	}
	state, color := "HAProxy "+s.status.HAProxy.Version+" running", 0
	switch h := s.status.HAProxy; {
	case h.Idle:
		state = "HAProxy not active on this node (Pacemaker)"
	case !h.Running:
		state, color = "HAProxy not running", red
	}
	if n := s.status.HAProxy.OldWorkers; n > 0 {
		state += ", " + count(n, "old worker")
	}
	lines := []line{{fmt.Sprintf("%s  %s  revision %d, %d in effect", name, state, s.status.Revision, s.status.InEffect), color}}
	if s.trouble != "" {
		lines = append(lines, line{"no connection: " + s.trouble, red})
	}
	if s.status.Problem != "" {
		lines = append(lines, line{s.status.Problem, red})
	}
	if lost := s.status.HAProxy.Lost; lost != "" {
		lines = append(lines, line{lost, yellow})
	}
	for _, d := range s.status.Discovery {
		if d.Stale != "" {
			lines = append(lines, line{"service " + d.Service + " is stale: " + d.Stale, yellow})
		}
	}
	return lines
}

// sorted are the objects of a type, and of a backend, in the order chosen.
func (s *screen) sorted(kind, backend string) []figures {
	var out []figures
	for _, f := range s.stats {
		if f.Type == kind && f.Backend == backend {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b figures) int {
		by := 0
		switch s.sort {
		case 'r':
			by = cmp.Compare(b.Rate["requests"], a.Rate["requests"])
		case 'e':
			by = cmp.Compare(b.errors(), a.errors())
		case 't':
			by = cmp.Compare(b.TimesMs.Response, a.TimesMs.Response)
		default: // by name
		}
		return cmp.Or(by, cmp.Compare(a.Key, b.Key))
	})
	return out
}

// versionOf is what a backend is at: a version, or several with their weights.
func (s *screen) versionOf(key string) string {
	id := "backend/" + key
	if version := s.field("backends", id, "version"); version != "" {
		return version
	}
	var versions nodeapi.Versions
	_ = json.Unmarshal(s.objects["backends"][id]["versions"], &versions) // absent: none
	return lb.Split(versions).String()
}

func (s *screen) figuresRow(name string, f figures, status, third, fourth string) tableRow {
	shown := func(v float64) string {
		if f.Rate == nil {
			return "-"
		}
		return short(v)
	}
	rate := func(name string) string { return shown(f.Rate[name]) }
	r := tableRow{cells: []string{
		name, status, third, fourth, rate("requests"), shown(f.errors()),
		strconv.Itoa(f.Connections.Current), strconv.Itoa(f.Queue.Current), strconv.Itoa(f.TimesMs.Response), rate("bytesIn"), rate("bytesOut"),
	}}
	switch {
	case strings.HasPrefix(status, "DOWN") || status == "unknown":
		r.color = red
	case f.errors() > 0, strings.HasPrefix(status, "UP "), strings.HasPrefix(status, "MAINT"):
		r.color = yellow
	}
	return r
}

// short writes a number in few characters: 12.5, 980, 1.2k, 3.4M.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'f', 1, 64) + unit.name
		}
	}
	if v < 100 && v != float64(int(v)) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.Itoa(int(v + 0.5))
}
