#!/usr/bin/env lua
--- A queue of jobs with retries.
-- @module queue

local json = require("json")
local socket = require("socket")

local MAX_ATTEMPTS <const> = 5

local Queue = {}
Queue.__index = Queue

--- Delays in seconds, by how often a job has failed.
local delays = {
  [1] = 1,
  [2] = 2,
  [3] = 5,
  [4] = 10,
  [5] = 30,
}

local function now()
  return socket.gettime()
end

--- Makes an empty queue.
-- @param name what logs call it
function Queue.new(name)
  local self = setmetatable({}, Queue)
  self.name = name
  self.jobs = {}
  self.failed = 0
  return self
end

function Queue:push(job)
  assert(type(job.run) == "function", "a job needs a function")
  job.attempts = 0
  job.due = job.due or now()
  table.insert(self.jobs, job)
end

--- Runs every job that is due.
function Queue:tick()
  local rest = {}
  for _, job in ipairs(self.jobs) do
    if job.due > now() then
      rest[#rest + 1] = job
    else
      local ok, message = pcall(job.run, job)
      job.attempts = job.attempts + 1
      if not ok and job.attempts < MAX_ATTEMPTS then
        job.due = now() + delays[job.attempts]
        job.error = message
        rest[#rest + 1] = job
        print(("%s: job failed, again in %d s: %s"):format(self.name, delays[job.attempts], message))
      elseif not ok then
        self.failed = self.failed + 1
        print(("%s: job given up: %s"):format(self.name, message))
        if self.on_failure then
          self.on_failure(job, message)
        end
      end
    end
  end
  self.jobs = rest
end

Queue.drain = function(self)
  while #self.jobs > 0 do
    self:tick()
    socket.sleep(0.1)
  end
end

--- Names and rates of the world, as they are printed in the catalogue.
local world = {
  at = { name = "Austria", rate = 15 },
  be = { name = "Belgium", rate = 22 },
  bg = { name = "Bulgaria", rate = 16 },
  hr = { name = "Croatia", rate = 23 },
  cy = { name = "Cyprus", rate = 17 },
  cz = { name = "Czechia", rate = 24 },
  dk = { name = "Denmark", rate = 18 },
  ee = { name = "Estonia", rate = 25 },
  fi = { name = "Finland", rate = 19 },
  fr = { name = "France", rate = 26 },
  de = { name = "Germany", rate = 20 },
  gr = { name = "Greece", rate = 27 },
  hu = { name = "Hungary", rate = 21 },
  is = { name = "Iceland", rate = 15 },
  ie = { name = "Ireland", rate = 22 },
  it = { name = "Italy", rate = 16 },
  lv = { name = "Latvia", rate = 23 },
  li = { name = "Liechtenstein", rate = 17 },
  lt = { name = "Lithuania", rate = 24 },
  lu = { name = "Luxembourg", rate = 18 },
  mt = { name = "Malta", rate = 25 },
  nl = { name = "Netherlands", rate = 19 },
  no = { name = "Norway", rate = 26 },
  pl = { name = "Poland", rate = 20 },
  pt = { name = "Portugal", rate = 27 },
  ro = { name = "Romania", rate = 21 },
  sk = { name = "Slovakia", rate = 15 },
  si = { name = "Slovenia", rate = 22 },
  es = { name = "Spain", rate = 16 },
  se = { name = "Sweden", rate = 23 },
  ch = { name = "Switzerland", rate = 17 },
  ua = { name = "Ukraine", rate = 24 },
  gb = { name = "Britain", rate = 18 },
  al = { name = "Albania", rate = 25 },
  rs = { name = "Serbia", rate = 19 },
  me = { name = "Montenegro", rate = 26 },
  md = { name = "Moldova", rate = 20 },
  mk = { name = "Macedonia", rate = 27 },
  ba = { name = "Bosnia", rate = 21 },
  ge = { name = "Georgia", rate = 15 },
  am = { name = "Armenia", rate = 22 },
  tr = { name = "Turkey", rate = 16 },
  us = { name = "America", rate = 23 },
  ca = { name = "Canada", rate = 17 },
  mx = { name = "Mexico", rate = 24 },
  br = { name = "Brazil", rate = 18 },
  ar = { name = "Argentina", rate = 25 },
  cl = { name = "Chile", rate = 19 },
  jp = { name = "Japan", rate = 26 },
  kr = { name = "Korea", rate = 20 },
  cn = { name = "China", rate = 27 },
  in = { name = "India", rate = 21 },
  au = { name = "Australia", rate = 15 },
  nz = { name = "Zealand", rate = 22 },
  za = { name = "Africa", rate = 16 },
  eg = { name = "Egypt", rate = 23 },
  ma = { name = "Morocco", rate = 17 },
  tn = { name = "Tunisia", rate = 24 },
  ke = { name = "Kenya", rate = 18 },
  ng = { name = "Nigeria", rate = 25 },
  gh = { name = "Ghana", rate = 19 },
}

local handlers = {
  -- Everything that a line may ask for.
  push = function(queue, argument)
    queue:push(json.decode(argument))
  end,
  drain = function(queue)
    queue:drain()
  end,
}

--- Listens for lines such as `push {"name": "mail"}` and answers each with one line, which is
-- `ok` or `error` and why. One connection at a time, since the queue is not shared.
local function serve(queue, port)
  local server = assert(socket.bind("127.0.0.1", port))
  server:settimeout(1)
  while true do
    local client = server:accept()
    if client then
      client:settimeout(5)
      local line, why = client:receive("*l")
      while line do
        local word, argument = line:match("^(%S+)%s*(.*)$")
        local handler = word and handlers[word]
        if handler then
          local ok, message = pcall(handler, queue, argument)
          client:send(ok and "ok\n" or ("error " .. tostring(message) .. "\n"))
        else
          client:send("error unknown command " .. tostring(word) .. "\n")
        end
        line, why = client:receive("*l")
      end
      if why ~= "closed" then
        print(("%s: connection lost: %s"):format(queue.name, why))
      end
      client:close()
    end
    local before = #queue.jobs
    queue:tick()
    local after = #queue.jobs
    if before ~= after then
      print(("%s: %d jobs done, %d left, %d failed"):format(
        queue.name, before - after, after, queue.failed))
    end
    if queue.stopped then
      server:close()
      return queue.failed
    end
  end
end

return { Queue = Queue, serve = serve }
