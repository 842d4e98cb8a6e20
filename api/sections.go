package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

const (
	sectionsPath = "/haproxy/sections"
	globalPath   = "/haproxy/global"
	defaultsPath = "/haproxy/defaults"
)

// sectionHandlers show and change the raw sections of haproxy.cfg.
type sectionHandlers struct{ agent *Agent }

// list answers with all sections, or those of the kind that the path names.
func (h sectionHandlers) list(c echo.Context) error {
	kind := c.Param("kind")
	if kind != "" {
		if err := checkSectionKind(kind); err != nil {
			return err
		}
	}
	return listObjects(c, h.agent, func(in lb.Intent) []lb.Section {
		return slices.DeleteFunc(in.SortedSections(), func(s lb.Section) bool { return kind != "" && (s.Kind != kind || s.Name == "") })
	}, node.NewSection)
}

// checkSectionKind refuses an unknown kind of sections.
func checkSectionKind(kind string) error {
	kinds := slices.DeleteFunc(lb.SectionKinds(), func(k string) bool { return k == lb.SectionGlobal })
	if slices.Contains(kinds, kind) {
		return nil
	}
	expected := "one of " + strings.Join(kinds, ", ")
	if kind == lb.SectionGlobal {
		expected = "the path " + globalPath
	}
	return invalidField("kind", strconv.Quote(kind)+" is not a kind of raw sections with names", expected)
}

// sectionOf is the section that the path names, without lines.
func sectionOf(c echo.Context) (lb.Section, error) {
	switch c.Path() {
	case globalPath:
		return lb.Section{Kind: lb.SectionGlobal}, nil
	case defaultsPath:
		return lb.Section{Kind: lb.SectionDefaults}, nil
	}
	kind := c.Param("kind")
	if err := checkSectionKind(kind); err != nil {
		return lb.Section{}, err
	}
	key, err := name(c, "name")
	return lb.Section{Kind: kind, Name: key}, err
}

// show answers with a section. The raw lines of the template's own sections are an empty
// list where there are none, without an entity tag.
func (h sectionHandlers) show(c echo.Context) error {
	s, err := sectionOf(c)
	if err != nil {
		return err
	}
	err = showObject(c, h.agent, s.ID(), node.NewSection)
	if _, isMissing := errors.AsType[*lb.NotFoundError](err); isMissing && s.Name == "" {
		return respond(c, http.StatusOK, node.NewSection(s))
	}
	return err
}

func (h sectionHandlers) put(c echo.Context) error {
	s, err := sectionOf(c)
	if err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	if s, err = node.ParseSection(s.Kind, string(s.Name), data); err != nil {
		return err
	}
	return putObject(c, h.agent, lb.Edit{Section: &s}, s, node.NewSection)
}

func (h sectionHandlers) delete(c echo.Context) error {
	s, err := sectionOf(c)
	if err != nil {
		return err
	}
	return remove(c, h.agent, s.ID())
}
