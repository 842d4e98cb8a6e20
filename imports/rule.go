package imports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// rules are what the last use_backend lines of a frontend become: raw lines come first.
type rules struct {
	specs []lb.RuleSpec
	lines map[int]string // number of a line → field
}

// rules finds the last use_backend lines that can be rules, with the ACLs that nothing else
// uses.
func (p *proxy) rules() rules {
	out := rules{lines: map[int]string{}}
	if p.mode() != "http" || p.usesNumberedACLs() {
		return out
	}
	var found []rule
	for _, l := range slices.Backward(p.file.Lines) {
		if l.Words[0] != "use_backend" {
			continue
		}
		one, ok := p.rule(l)
		if !ok {
			break
		}
		found = append(found, one)
	}
	slices.Reverse(found)
	for i, one := range found {
		out.specs = append(out.specs, one.spec)
		for _, number := range one.lines {
			out.lines[number] = fmt.Sprintf("rules[%d]", i)
		}
	}
	return out
}

// usesNumberedACLs reports whether an ACL has the name of one that the template makes for a
// rule.
func (p *proxy) usesNumberedACLs() bool {
	return slices.ContainsFunc(p.file.Lines, func(l template.FileLine) bool {
		return l.Words[0] == "acl" && len(l.Words) > 1 && strings.HasPrefix(l.Words[1], "rule_")
	})
}

// A rule is one use_backend line with its ACL.
type rule struct {
	spec  lb.RuleSpec
	lines []int
}

// rule reads "use_backend NAME if ACL" and "use_backend NAME if { FETCH VALUES }".
func (p *proxy) rule(l template.FileLine) (rule, bool) {
	words := l.Words
	if len(words) < 4 || words[2] != "if" || !p.isBackend(words[1]) || !slices.Equal(l.Raw, words) {
		return rule{}, false
	}
	out := rule{lines: []int{l.Number}}
	var ok bool
	if words[3] == "{" {
		end := len(words) - 1
		if words[end] != "}" || slices.Contains(words[4:end], "}") {
			return rule{}, false
		}
		out.spec, ok = condition(words[4:end])
		out.spec.Backend = words[1]
		return out, ok
	}
	if len(words) != 4 || p.uses(words[3]) != 1 {
		return rule{}, false
	}
	var values []string
	for _, acl := range p.file.Lines {
		if acl.Words[0] != "acl" || len(acl.Words) < 4 || acl.Words[1] != words[3] {
			continue
		}
		one, ok := condition(acl.Words[2:])
		if !ok || len(values) > 0 && (one.Type != out.spec.Type || one.Header != out.spec.Header || one.Operation != out.spec.Operation) {
			return rule{}, false
		}
		values = append(values, one.Value)
		out.spec = one
		out.lines = append(out.lines, acl.Number)
	}
	out.spec.Value, out.spec.Backend = strings.Join(values, " "), words[1]
	return out, len(values) > 0
}

// uses counts the conditions that name an ACL.
func (p *proxy) uses(acl string) int {
	count := 0
	for _, l := range p.file.Lines {
		for i, word := range l.Words {
			if i > 1 && (word == acl || word == "!"+acl) {
				count++
			}
		}
	}
	return count
}

var headerFetch = regexp.MustCompile(`^(hdr(?:_[a-z]+)?)\(([A-Za-z0-9_-]+)\)$`)

// condition reads a fetch with its patterns as those of a rule: the template compares the
// header Host, and no other, without regard to case.
func condition(words []string) (lb.RuleSpec, bool) {
	if len(words) < 2 {
		return lb.RuleSpec{}, false
	}
	out := lb.RuleSpec{Type: "path", Operation: words[0]}
	values := words[1:]
	wantsCase := true
	if m := headerFetch.FindStringSubmatch(words[0]); m != nil {
		out.Type, out.Operation, out.Header = "header", m[1], m[2]
		wantsCase = !strings.EqualFold(m[2], "host")
	} else if strings.HasPrefix(words[0], "url") {
		out.Type = "url"
	}
	ignoresCase := values[0] == "-i"
	if ignoresCase {
		values = values[1:]
	}
	if len(values) > 0 && values[0] == "--" {
		values = values[1:]
	}
	if ignoresCase == wantsCase || len(values) == 0 {
		return out, false
	}
	for _, v := range values {
		if v == "" || strings.HasPrefix(v, "-") || strings.ContainsAny(v, " \t") {
			return out, false
		}
	}
	out.Value, out.Backend = strings.Join(values, " "), "x"
	_, err := lb.FrontendSpec{Bind: "*:1", Rules: []lb.RuleSpec{out}}.Parse("x")
	return out, err == nil
}
