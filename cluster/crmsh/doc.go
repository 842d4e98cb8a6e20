// Package crmsh writes the configuration of a Pacemaker cluster in the syntax of crmsh, the crm
// shell, as its command "crm configure show" prints it.
//
// What crmsh cannot say in that syntax is shown as "xml <…>", as it does itself: crmsh reads back
// what the configuration means. The ids of parts that nothing refers to, such as sets and
// operations, are not in the text. The source of the syntax is crmsh 4.4.
//
// It is pure, and masks nothing: callers do.
package crmsh
