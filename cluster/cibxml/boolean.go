package cibxml

import "strings"

// IsFalse reports whether Pacemaker reads a text as false (crm_str_to_boolean).
func IsFalse(s string) bool {
	switch strings.ToLower(s) {
	case "false", "off", "no", "n", "0":
		return true
	}
	return false
}

// IsTrue reports whether Pacemaker reads a text as true.
func IsTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "on", "yes", "y", "1":
		return true
	}
	return false
}
