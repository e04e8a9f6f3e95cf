/*
 * page - the status page's text, as it is in this folder
 *
 * head.html, status.css, body.html and status.js become C at build time
 * (embed.cmake).  Pure.
 */
#ifndef COMMON_PAGE_PAGE_H
#define COMMON_PAGE_PAGE_H

#include "common/slice.h"

struct slice page_head(void);
struct slice page_style(void);
struct slice page_body(void);
struct slice page_script(void);

#endif
