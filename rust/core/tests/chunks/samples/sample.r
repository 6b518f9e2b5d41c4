#!/usr/bin/env Rscript
# Orders of a shop.
library(stats)
suppressPackageStartupMessages(library(dplyr))

MAX_ITEMS <- 100

rates <- c(
  at = 20,
  be = 21,
  de = 19,
  fr = 20
)

#' What is to be paid for items.
#'
#' @param items a data frame with columns sku and price
#' @param country two letters
#' @return cents
#' @export
total <- function(items, country = "de") {
  rate <- rates[[tolower(country)]]
  sum(floor(items$price * (100 + rate) / 100))
}

`%<+>%` <- function(left, right) {
  rbind(left, right)
}

dear = function(items) items[items$price > 1000, ]

function(x) x + 1

setClass("Order",
  representation(
    items = "data.frame",
    country = "character",
    changed = "POSIXct"
  )
)

setGeneric("add", function(order, item) standardGeneric("add"))

setMethod("add", "Order", function(order, item) {
  if (nrow(order@items) >= MAX_ITEMS) {
    stop("the order is full")
  }
  order@items <- rbind(order@items, item)
  order
})

#' Prints an order.
print.order <- function(x, ...) {
  cat("Order of", nrow(x$items), "items\n")
  invisible(x)
}

Queue <- R6::R6Class("Queue",
  public = list(
    items = NULL,

    initialize = function() {
      self$items <- list()
    },

    #' Adds one more.
    push = function(item) {
      self$items[[length(self$items) + 1]] <- item
      invisible(self)
    },

    pop = function() {
      first <- self$items[[1]]
      self$items[[1]] <- NULL
      first
    }
  )
)

#' Reads a file of lines such as sku;price and says which of them are no items.
#'
#' Comments and empty lines are left out; the numbers are those of the lines of the file.
read_items <- function(path) {
  lines <- readLines(path, encoding = "UTF-8")
  numbers <- seq_along(lines)
  relevant <- !grepl("^\\s*(#|$)", lines)
  lines <- lines[relevant]
  numbers <- numbers[relevant]
  parts <- strsplit(lines, ";", fixed = TRUE)
  complete <- lengths(parts) == 2
  if (any(!complete)) {
    bad <- numbers[!complete]
    warning("no items in lines ", paste(bad, collapse = ", "), call. = FALSE)
  }
  parts <- parts[complete]
  numbers <- numbers[complete]
  sku <- vapply(parts, `[[`, character(1), 1)
  price <- suppressWarnings(as.integer(vapply(parts, `[[`, character(1), 2)))
  no_number <- is.na(price)
  if (any(no_number)) {
    for (at in which(no_number)) {
      message("line ", numbers[at], ": ", sku[at], " costs what is no number")
    }
  }
  negative <- !no_number & price < 0
  if (any(negative)) {
    for (at in which(negative)) {
      message("line ", numbers[at], ": ", sku[at], " costs less than nothing")
    }
  }
  fine <- !no_number & !negative
  items <- data.frame(sku = sku[fine], price = price[fine])
  items <- items[order(items$price), ]
  duplicated_sku <- duplicated(items$sku)
  if (any(duplicated_sku)) {
    message("twice: ", paste(unique(items$sku[duplicated_sku]), collapse = ", "))
  }
  attr(items, "path") <- path
  attr(items, "read") <- Sys.time()
  items[!duplicated_sku, ]
}

#' What a country is called in a letter.
country_name <- function(code) {
  names <- c(
    xx = "nowhere",
    at = "Austria (AT)",
    be = "Belgium (BE)",
    bg = "Bulgaria (BG)",
    hr = "Croatia (HR)",
    cy = "Cyprus (CY)",
    cz = "Czechia (CZ)",
    dk = "Denmark (DK)",
    ee = "Estonia (EE)",
    fi = "Finland (FI)",
    fr = "France (FR)",
    de = "Germany (DE)",
    gr = "Greece (GR)",
    hu = "Hungary (HU)",
    is = "Iceland (IS)",
    ie = "Ireland (IE)",
    it = "Italy (IT)",
    lv = "Latvia (LV)",
    li = "Liechtenstein (LI)",
    lt = "Lithuania (LT)",
    lu = "Luxembourg (LU)",
    mt = "Malta (MT)",
    nl = "Netherlands (NL)",
    no = "Norway (NO)",
    pl = "Poland (PL)",
    pt = "Portugal (PT)",
    ro = "Romania (RO)",
    sk = "Slovakia (SK)",
    si = "Slovenia (SI)",
    es = "Spain (ES)",
    se = "Sweden (SE)",
    ch = "Switzerland (CH)",
    ua = "Ukraine (UA)",
    gb = "Britain (GB)",
    al = "Albania (AL)",
    rs = "Serbia (RS)",
    me = "Montenegro (ME)",
    md = "Moldova (MD)",
    mk = "Macedonia (MK)",
    ba = "Bosnia (BA)",
    ge = "Georgia (GE)",
    am = "Armenia (AM)",
    tr = "Turkey (TR)",
    us = "America (US)",
    ca = "Canada (CA)",
    mx = "Mexico (MX)",
    br = "Brazil (BR)",
    ar = "Argentina (AR)",
    cl = "Chile (CL)",
    jp = "Japan (JP)",
    kr = "Korea (KR)",
    cn = "China (CN)",
    in = "India (IN)",
    au = "Australia (AU)",
    nz = "Zealand (NZ)",
    za = "Africa (ZA)",
    eg = "Egypt (EG)",
    ma = "Morocco (MA)",
    tn = "Tunisia (TN)",
    ke = "Kenya (KE)",
    ng = "Nigeria (NG)",
    gh = "Ghana (GH)",
    at.south = "the south of Austria",
    be.south = "the south of Belgium",
    bg.south = "the south of Bulgaria",
    hr.south = "the south of Croatia",
    cy.south = "the south of Cyprus",
    cz.south = "the south of Czechia",
    dk.south = "the south of Denmark",
    ee.south = "the south of Estonia",
    fi.south = "the south of Finland",
    fr.south = "the south of France",
    de.south = "the south of Germany",
    gr.south = "the south of Greece",
    hu.south = "the south of Hungary",
    is.south = "the south of Iceland",
    ie.south = "the south of Ireland",
    it.south = "the south of Italy",
    lv.south = "the south of Latvia",
    li.south = "the south of Liechtenstein",
    lt.south = "the south of Lithuania",
    lu.south = "the south of Luxembourg",
    zz = NA
  )
  names[[tolower(code)]]
}

if (!interactive()) {
  arguments <- commandArgs(trailingOnly = TRUE)
  print(total(read_items(arguments[1]), arguments[2]))
}
