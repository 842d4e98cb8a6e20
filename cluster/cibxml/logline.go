package cibxml

import (
	"regexp"
	"strings"
)

// Forms in which Pacemaker logs values of the CIB, as its own sources have them: elements and changed
// attributes (pacemaker-based), attributes of nodes (pacemaker-attrd), and what has ended a transition
// (pacemaker-controld).
var (
	loggedElement = regexp.MustCompile(`<[\w-]+ [^<>]*value="[^"]*"[^<>]*>`)
	loggedName    = regexp.MustCompile(` name="([^"]*)"`)
	loggedValue   = regexp.MustCompile(` value="([^"]*)"`)
	loggedChange  = regexp.MustCompile(`@value=(.*?)(, @|$)`)
	loggedSetting = regexp.MustCompile(`^(Setting ([^\[\]]+)\[[^\]]*\][^:]*: )(.*) -> (.*?)( \| from |$)`)
	loggedReason  = regexp.MustCompile(`( doing (?:create|modify|delete|move) ([^=\s]+)=)(.*?)(: [A-Z]|$)`)
)

// MaskLog masks values of the CIB in a line of Pacemaker's log that may be secrets by their names. The
// line may be older than the first CIB in which they are seen.
func MaskLog(text string) string {
	if strings.Contains(text, `value="`) {
		text = loggedElement.ReplaceAllStringFunc(text, maskElement)
	}
	if strings.Contains(text, "@value=") {
		text = loggedChange.ReplaceAllStringFunc(text, func(all string) string {
			m := loggedChange.FindStringSubmatch(all)
			if HasPlainForm(m[1]) {
				return all
			}
			return "@value=" + Masked + m[2]
		})
	}
	if m := loggedSetting.FindStringSubmatchIndex(text); m != nil {
		name := text[m[4]:m[5]]
		text = text[:m[3]] + shownLogged(name, text[m[6]:m[7]], "transient_attributes") + " -> " + shownLogged(name, text[m[8]:m[9]], "transient_attributes") + text[m[10]:]
	}
	if strings.Contains(text, " doing ") {
		text = loggedReason.ReplaceAllStringFunc(text, func(all string) string {
			m := loggedReason.FindStringSubmatch(all)
			return m[1] + shownLogged(m[2], m[3], loggedSets()...) + m[4]
		})
	}
	return text
}

// maskElement masks the value of an element. Elements without a name have it for a recipient or a rule.
func maskElement(element string) string {
	name := ""
	if m := loggedName.FindStringSubmatch(element); m != nil {
		name = m[1]
	}
	return loggedValue.ReplaceAllStringFunc(element, func(all string) string {
		return ` value="` + shownLogged(name, loggedValue.FindStringSubmatch(all)[1], loggedSets()...) + `"`
	})
}

// loggedSets are those that a pair may be of if a log does not say it.
func loggedSets() []string {
	return []string{"meta_attributes", "instance_attributes", "transient_attributes"}
}

// shownLogged is a value as it is shown, of a pair in one of some sets.
func shownLogged(name, value string, sets ...string) string {
	if value == "" || value == "(unset)" {
		return value
	}
	for _, set := range sets {
		if isHarmlessPair(set, name, value) && !hasSecret(value) {
			return value
		}
	}
	return Masked
}
