package template_test

import (
	"errors"
	"strings"
	"testing"

	"thalassa/lb"
)

// TestTemplatesWithoutAPlaceForSections says what a template of an operator lacks, where raw
// sections would get lost.
func TestTemplatesWithoutAPlaceForSections(t *testing.T) {
	t.Parallel()
	small := parse(t, skeletonTemplate("", "", ""))
	for want, s := range map[string]lb.Section{
		"{{range .Global}}":        {Kind: lb.SectionGlobal, Natives: []lb.RawLine{"maxconn 100"}},
		"{{range .Defaults}}":      {Kind: lb.SectionDefaults, Natives: []lb.RawLine{"timeout queue 5s"}},
		"{{range .NamedDefaults}}": {Kind: lb.SectionDefaults, Name: "tcp", Natives: []lb.RawLine{"mode tcp"}},
		"{{range .Sections}}":      {Kind: "userlist", Name: "staff", Natives: []lb.RawLine{"user ann insecure-password a"}},
	} {
		config := auditConfig()
		config.Sections = []lb.Section{s}
		_, err := small.Render(config)
		refused, ok := errors.AsType[*lb.RefusedError](err)
		if !ok || refused.At != "render" || !strings.Contains(refused.Output, want) {
			t.Errorf("%s: %v", s.ID(), err)
		}
	}
}
