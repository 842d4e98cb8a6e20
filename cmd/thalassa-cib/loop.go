package main

/*
#cgo pkg-config: glib-2.0
#include <glib.h>

static void run_main_loop(void) {
	GMainLoop *loop = g_main_loop_new(NULL, FALSE);
	g_main_loop_run(loop);
	g_main_loop_unref(loop);
}
*/
import "C"

// loop runs GLib's main loop, which calls the library back. The library's own
// Mainloop adds an idle callback that never ends and keeps a processor busy.
func loop() { C.run_main_loop() }
