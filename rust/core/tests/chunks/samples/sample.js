#!/usr/bin/env node
import fs from "fs";
import { join } from "path";

const limit = 10;

/**
 * Reads a file.
 */
export function read(path) {
  return fs.readFileSync(path);
}

// Joined by a slash.
export const joined = (a, b) => {
  return join(a, b);
};

export default class Small extends Base {
  run() {}
}

exports.handler = async function (event) {
  return event.body;
};

function* walk(tree) {
  yield tree;
}

class Store {
  items = new Map();

  constructor(name) {
    this.name = name;
  }

  /** Looks an item up. */
  get(key) {
    return this.items.get(key);
  }

  reset = () => {
    this.items.clear();
  };

  load() {
    this.items.set("key 1", this.fetchItem(1));
    this.items.set("key 2", this.fetchItem(2));
    this.items.set("key 3", this.fetchItem(3));
    this.items.set("key 4", this.fetchItem(4));
    this.items.set("key 5", this.fetchItem(5));
    this.items.set("key 6", this.fetchItem(6));
    this.items.set("key 7", this.fetchItem(7));
    this.items.set("key 8", this.fetchItem(8));
    this.items.set("key 9", this.fetchItem(9));
    this.items.set("key 10", this.fetchItem(10));
    this.items.set("key 11", this.fetchItem(11));
    this.items.set("key 12", this.fetchItem(12));
    this.items.set("key 13", this.fetchItem(13));
    this.items.set("key 14", this.fetchItem(14));
    this.items.set("key 15", this.fetchItem(15));
    this.items.set("key 16", this.fetchItem(16));
    this.items.set("key 17", this.fetchItem(17));
    this.items.set("key 18", this.fetchItem(18));
    this.items.set("key 19", this.fetchItem(19));
    this.items.set("key 20", this.fetchItem(20));
    this.items.set("key 21", this.fetchItem(21));
    this.items.set("key 22", this.fetchItem(22));
    this.items.set("key 23", this.fetchItem(23));
    this.items.set("key 24", this.fetchItem(24));
    this.items.set("key 25", this.fetchItem(25));
    this.items.set("key 26", this.fetchItem(26));
    this.items.set("key 27", this.fetchItem(27));
    this.items.set("key 28", this.fetchItem(28));
    this.items.set("key 29", this.fetchItem(29));
    this.items.set("key 30", this.fetchItem(30));
    this.items.set("key 31", this.fetchItem(31));
    this.items.set("key 32", this.fetchItem(32));
    this.items.set("key 33", this.fetchItem(33));
    this.items.set("key 34", this.fetchItem(34));
    this.items.set("key 35", this.fetchItem(35));
    this.items.set("key 36", this.fetchItem(36));
    this.items.set("key 37", this.fetchItem(37));
    this.items.set("key 38", this.fetchItem(38));
    this.items.set("key 39", this.fetchItem(39));
    this.items.set("key 40", this.fetchItem(40));
    this.items.set("key 41", this.fetchItem(41));
    this.items.set("key 42", this.fetchItem(42));
    this.items.set("key 43", this.fetchItem(43));
    this.items.set("key 44", this.fetchItem(44));
    this.items.set("key 45", this.fetchItem(45));
    this.items.set("key 46", this.fetchItem(46));
  }
}

(function () {
  window.register("plugin 1", loadPlugin(1));
  window.register("plugin 2", loadPlugin(2));
  window.register("plugin 3", loadPlugin(3));
  window.register("plugin 4", loadPlugin(4));
  window.register("plugin 5", loadPlugin(5));
  window.register("plugin 6", loadPlugin(6));
  window.register("plugin 7", loadPlugin(7));
  window.register("plugin 8", loadPlugin(8));
  window.register("plugin 9", loadPlugin(9));
  window.register("plugin 10", loadPlugin(10));
  window.register("plugin 11", loadPlugin(11));
  window.register("plugin 12", loadPlugin(12));
  window.register("plugin 13", loadPlugin(13));
  window.register("plugin 14", loadPlugin(14));
  window.register("plugin 15", loadPlugin(15));
  window.register("plugin 16", loadPlugin(16));
  window.register("plugin 17", loadPlugin(17));
  window.register("plugin 18", loadPlugin(18));
  window.register("plugin 19", loadPlugin(19));
  window.register("plugin 20", loadPlugin(20));
  window.register("plugin 21", loadPlugin(21));
  window.register("plugin 22", loadPlugin(22));
  window.register("plugin 23", loadPlugin(23));
  window.register("plugin 24", loadPlugin(24));
  window.register("plugin 25", loadPlugin(25));
  window.register("plugin 26", loadPlugin(26));
  window.register("plugin 27", loadPlugin(27));
  window.register("plugin 28", loadPlugin(28));
  window.register("plugin 29", loadPlugin(29));
  window.register("plugin 30", loadPlugin(30));
  window.register("plugin 31", loadPlugin(31));
  window.register("plugin 32", loadPlugin(32));
  window.register("plugin 33", loadPlugin(33));
  window.register("plugin 34", loadPlugin(34));
  window.register("plugin 35", loadPlugin(35));
  window.register("plugin 36", loadPlugin(36));
  window.register("plugin 37", loadPlugin(37));
  window.register("plugin 38", loadPlugin(38));
  window.register("plugin 39", loadPlugin(39));
  window.register("plugin 40", loadPlugin(40));
  window.register("plugin 41", loadPlugin(41));
  window.register("plugin 42", loadPlugin(42));

  function hidden(a) {
    return a;
  }
})();

const routes = {
  "/page/1": { view: "page-1", title: "Page 1" },
  "/page/2": { view: "page-2", title: "Page 2" },
  "/page/3": { view: "page-3", title: "Page 3" },
  "/page/4": { view: "page-4", title: "Page 4" },
  "/page/5": { view: "page-5", title: "Page 5" },
  "/page/6": { view: "page-6", title: "Page 6" },
  "/page/7": { view: "page-7", title: "Page 7" },
  "/page/8": { view: "page-8", title: "Page 8" },
  "/page/9": { view: "page-9", title: "Page 9" },
  "/page/10": { view: "page-10", title: "Page 10" },
  "/page/11": { view: "page-11", title: "Page 11" },
  "/page/12": { view: "page-12", title: "Page 12" },
  "/page/13": { view: "page-13", title: "Page 13" },
  "/page/14": { view: "page-14", title: "Page 14" },
  "/page/15": { view: "page-15", title: "Page 15" },
  "/page/16": { view: "page-16", title: "Page 16" },
  "/page/17": { view: "page-17", title: "Page 17" },
  "/page/18": { view: "page-18", title: "Page 18" },
};
