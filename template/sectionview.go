package template

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"thalassa/lb"
)

// addSections adds the raw sections. What raw lines of the global section set, the settings
// do not set as well: HAProxy takes the first maxconn, and complains about a second user.
func (v *View) addSections(sections []lb.Section) {
	v.Process.LocalPeer = lb.OwnPeers
	for _, s := range sections {
		section := SectionView{Kind: s.Kind, Name: string(s.Name), Defaults: string(s.Defaults), Natives: texts(s.Natives)}
		switch {
		case s.Kind == lb.SectionGlobal:
			v.Global = section.Natives
			v.Process.yieldTo(s)
		case s.Kind == lb.SectionDefaults && s.Name == "":
			v.Defaults = section.Natives
		case s.Kind == lb.SectionDefaults:
			v.NamedDefaults = append(v.NamedDefaults, section)
		default:
			v.Sections = append(v.Sections, section)
		}
	}
}

// yieldTo leaves out what raw lines of the global section set.
func (p *ProcessView) yieldTo(global lb.Section) {
	name, _ := global.Value("localpeer")
	p.LocalPeer = cmp.Or(name, p.LocalPeer)
	if global.Has("maxconn") {
		p.MaxConn = 0
	}
	if global.Has("hard-stop-after") {
		p.HardStopAfter = 0
	}
	if global.Has("user") || global.Has("uid") {
		p.User = ""
	}
	if global.Has("group") || global.Has("gid") {
		p.Group = ""
	}
}

// title is how the section opens.
func (s SectionView) title() string { return s.Kind + " " + s.Name }

// rawSections lists the raw sections that have a header of their own.
func (v View) rawSections() []SectionView {
	return append(slices.Clip(v.NamedDefaults), v.Sections...)
}

// texts lists every string of the section that can be anything.
func (s SectionView) texts() []string {
	return append([]string{s.Kind, s.Name, s.Defaults}, s.Natives...)
}

// compareRaw demands the lines of the raw sections, and the raw lines of the template's own
// global and defaults sections.
func compareRaw(v View, d document) error {
	sections := map[string]section{}
	for _, s := range d.sections {
		sections[s.title()] = s
	}
	for _, want := range v.rawSections() {
		got := sections[want.title()]
		if _, err := got.without(want.Natives); err != nil {
			return err
		}
		if err := got.expectDefaults(want.Defaults); err != nil {
			return err
		}
	}
	return errors.Join(
		d.expectLines(lb.SectionGlobal, v.Global, "Global"), d.expectLines(lb.SectionDefaults, v.Defaults, "Defaults"), v.checkOrder(d),
	)
}

// missing is the error about a section that a rendering lacks.
func (v View) missing(title string) error {
	for _, s := range v.rawSections() {
		if s.title() != title {
			continue
		}
		list := "Sections"
		if s.Kind == lb.SectionDefaults {
			list = "NamedDefaults"
		}
		return fmt.Errorf("the section %q is missing: the template has no place for raw sections, {{range .%s}}", title, list)
	}
	return fmt.Errorf("the section %q is missing", title)
}

// expectLines demands that one section of a kind without a name holds the lines, which are a
// list of the View.
func (d document) expectLines(kind string, natives []string, list string) error {
	if len(natives) == 0 {
		return nil
	}
	err := fmt.Errorf("the section %q is missing", kind)
	for _, s := range d.sections {
		if s.title() != kind {
			continue
		}
		if _, err = s.without(natives); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: the template has no place for raw lines in its section %s, {{range .%s}}", err, kind, list)
}

// expectDefaults demands that the section begins with defaults of that name; those without
// a name are the last ones.
func (s section) expectDefaults(name string) error {
	got := ""
	if len(s.header) == 4 && s.header[2] == "from" {
		got = s.header[3]
	}
	if got != name && name != "" {
		return fmt.Errorf("the section %q begins with the defaults %q where %q went in", s.title(), got, name)
	}
	return nil
}

// checkOrder demands that the last defaults are not of the raw sections: they hold for all
// that names none.
func (v View) checkOrder(d document) error {
	last := ""
	for _, s := range d.sections {
		if s.kind == lb.SectionDefaults {
			last = s.title()
		}
	}
	for _, s := range v.NamedDefaults {
		if s.title() == last {
			return fmt.Errorf("the section %q is behind the template's own defaults, where all that names none would begin with it", last)
		}
	}
	return nil
}
