package cibxml

import (
	"regexp"
	"strings"
)

// Forms in which Pacemaker logs values of the CIB, as its own sources have them: elements and changed
// attributes (pacemaker-based), attributes of nodes (pacemaker-attrd), and what has ended a transition
// or is the recipient of an alert (pacemaker-controld). A line may have been cut anywhere.
var (
	loggedElement   = regexp.MustCompile(`<([\w-]+)((?:\s+[\w:-]+="[^"]*(?:"|$))+)`)
	loggedAttribute = regexp.MustCompile(`([\w:-]+)="([^"]*)`)
	loggedChange    = regexp.MustCompile(`/([\w-]+)(?:\[@[^\]]*\])?:\s+@[\w:-]+=`)
	changedName     = regexp.MustCompile(`\s@([\w:-]+)=`)
	loggedReason    = regexp.MustCompile(`( doing (?:create|modify|delete|move) ([^=\s]+)=)(.*?)(: [A-Z]|$)`)
	// The first group of these is the name of a node's attribute, the others are its values, as the
	// programs of 2.1.5, 3.0.0 and later have them (strings pacemaker-attrd).
	loggedSetting   = regexp.MustCompile(`^Setting ([^\[\]]+)\[[^\]]*\][^:]*: (.*) -> (.*?)(?: \| from |$)`)
	loggedValueOf   = regexp.MustCompile(`(?:^|\s)([^\s\[\]=]+)\[[^\[\]]*\] ?= ?(.*?)(?: to CIB| to \S+$| now because| because peer| is local-only| \(|: |$)`)
	loggedNamed     = regexp.MustCompile(`(?:\battribute|^Expanded|^Added) ([^\s=]+)=(.*?)(?: for | into | in \S+$| to \S+$|$)`)
	loggedKeeping   = regexp.MustCompile(`^([^\[\]]+)\[[^\]]*\]: local value (.*) takes priority over (.*) from `)
	loggedAlert     = regexp.MustCompile(`^()Sending \w+ alert via .+? to (.+)$`)
	loggedRecipient = regexp.MustCompile(`^()Alert .+? has recipient .+? with value (.*) and \d+ envvars`)
	loggedUnwanted  = regexp.MustCompile(`^()Filtering unwanted .*? ?alert to (.*) via `)
)

// MaskLog masks values of the CIB in a line of Pacemaker's log that may be secrets by their names and
// forms. The line may be older than the first CIB in which they are seen.
func MaskLog(text string) string {
	if strings.Contains(text, `="`) {
		text = loggedElement.ReplaceAllStringFunc(text, maskElement)
	}
	if m := loggedChange.FindStringSubmatchIndex(text); m != nil {
		text = maskChange(&Element{Name: text[m[2]:m[3]]}, text, m[3])
	}
	for _, f := range []struct {
		has  string // what each line of the form has
		form *regexp.Regexp
	}{
		{"Setting ", loggedSetting},
		{"]=", loggedValueOf},
		{"] =", loggedValueOf},
		{" local value ", loggedKeeping},
		{"attribute ", loggedNamed},
		{"Expanded ", loggedNamed},
		{"Added ", loggedNamed},
		{" alert via ", loggedAlert},
		{" has recipient ", loggedRecipient},
		{" alert to ", loggedUnwanted},
	} {
		if strings.Contains(text, f.has) {
			text = maskNamed(f.form, text)
		}
	}
	if strings.Contains(text, " doing ") {
		text = loggedReason.ReplaceAllStringFunc(text, func(all string) string {
			m := loggedReason.FindStringSubmatch(all)
			return m[1] + shownLogged(m[2], m[3], loggedSets()...) + m[4]
		})
	}
	return text
}

// maskNamed masks values of the attribute of a node that a line names.
func maskNamed(form *regexp.Regexp, text string) string {
	m := form.FindStringSubmatchIndex(text)
	if m == nil {
		return text
	}
	out, end := "", 0
	for i := 4; i < len(m); i += 2 {
		value := strings.Trim(text[m[i]:m[i+1]], "'")
		out, end = out+text[end:m[i]]+shownLogged(text[m[2]:m[3]], value, "transient_attributes"), m[i+1]
	}
	return out + text[end:]
}

// maskElement masks values in the start tag of an element.
func maskElement(text string) string {
	e := &Element{Name: loggedElement.FindStringSubmatch(text)[1]}
	for _, m := range loggedAttribute.FindAllStringSubmatch(text, -1) {
		e.Set(m[1], m[2])
	}
	return loggedAttribute.ReplaceAllStringFunc(text, func(all string) string {
		m := loggedAttribute.FindStringSubmatch(all)
		return m[1] + `="` + shownAttribute(e, m[1], m[2])
	})
}

// maskChange masks the new values of an element's attributes, which follow a place in a text: each is
// as long as there is no other.
func maskChange(e *Element, text string, from int) string {
	names := changedName.FindAllStringSubmatchIndex(text[from:], -1)
	var out strings.Builder
	out.WriteString(text[:from])
	for i, m := range names {
		end := len(text)
		if i+1 < len(names) {
			end = from + names[i+1][0]
		}
		value := text[from+m[1] : end]
		if i == 0 {
			out.WriteString(text[from : from+m[0]])
		}
		out.WriteString(text[from+m[0] : from+m[1]])
		separated := i+1 < len(names) && strings.HasSuffix(value, ",")
		out.WriteString(shownAttribute(e, text[from+m[2]:from+m[3]], strings.TrimSuffix(value, ",")))
		if separated {
			out.WriteString(",")
		}
	}
	return out.String()
}

// shownAttribute is the value of an attribute as it is shown. The set that a pair is in is not logged
// with it, nor is the name of a pair whose value changes.
func shownAttribute(e *Element, name, value string) string {
	if e.Name == "nvpair" && name == "value" {
		return shownLogged(e.Attr("name"), value, loggedSets()...)
	}
	if value == "" || IsHarmless(e, "", name, value) {
		return value
	}
	return Masked
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
