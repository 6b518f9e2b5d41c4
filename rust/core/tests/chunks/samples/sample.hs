{-# LANGUAGE LambdaCase #-}
-- | Orders of a shop.
module Shop.Order
  ( Order (..)
  , total
  ) where

import qualified Data.Map.Strict as Map
import Data.Maybe (fromMaybe, mapMaybe)

-- | A price in cents.
newtype Price = Price { cents :: Int }
  deriving (Eq, Ord, Show)

type Rates = Map.Map Country Int

data Country = At | Be | De | Fr
  deriving (Eq, Ord, Enum, Bounded)

-- | What somebody wants to buy.
data Order
  = Order
      { orderItems :: [Item]
      , orderCountry :: Country
      }
  | Empty

data Item = Item { sku :: String, price :: Price }

-- | What has a price.
class Priced a where
  net :: a -> Price
  gross :: Int -> a -> Price
  gross rate it = Price (cents (net it) * (100 + rate) `div` 100)

instance Priced Item where
  net = price

instance Priced Order where
  net Empty = Price 0
  net order = Price (sum (map (cents . net) (orderItems order)))

rates :: Rates
rates = Map.fromList
  [ (At, 20)
  , (Be, 21)
  , (De, 19)
  , (Fr, 20)
  ]

-- | What is to be paid.
total :: Order -> Price
total Empty = Price 0
total order@(Order _ country) = gross rate order
  where
    rate = fromMaybe 19 (Map.lookup country rates)

next :: Country -> Maybe Country
next At = Just Be
next Be = Just De
next De = Just Fr
next Fr = Nothing

infixl 6 <+>

(<+>) :: Price -> Price -> Price
Price a <+> Price b = Price (a + b)

-- | Reads lines such as @sku;price@ and says which of them are no items. Comments and empty
-- lines are left out; the numbers are those of the lines of the file, counted from one.
parse :: Country -> String -> Either [String] Order
parse country text
  | null errors = Right (Order items country)
  | otherwise = Left errors
  where
    numbered = zip [1 :: Int ..] (lines text)
    relevant = filter (not . ignored . snd) numbered
    results = map (uncurry item) relevant
    errors = mapMaybe (either Just (const Nothing)) results
    items = mapMaybe (either (const Nothing) Just) results
    ignored = \case
      '#' : _ -> True
      "" -> True
      line -> all (== ' ') line
    item number line = case break (== ';') line of
      (name, ';' : digits)
        | null name -> Left (at number "an item without a name")
        | null digits -> Left (at number ("no price of " ++ name))
        | any (`notElem` ['0' .. '9']) digits ->
            Left (at number (name ++ " costs " ++ digits ++ ", which is no number"))
        | length digits > 9 ->
            Left (at number (name ++ " is too dear"))
        | otherwise -> Right (Item name (Price (read digits)))
      (name, _) -> Left (at number ("no semicolon behind " ++ name))
    at number message = "line " ++ show number ++ ": " ++ message

-- | Names and rates of the world, as they are printed in the catalogue.
world :: [(String, String, Int)]
world =
  [ ("xx", "nowhere", 0)
  , ("at", "Austria", 15)
  , ("be", "Belgium", 22)
  , ("bg", "Bulgaria", 16)
  , ("hr", "Croatia", 23)
  , ("cy", "Cyprus", 17)
  , ("cz", "Czechia", 24)
  , ("dk", "Denmark", 18)
  , ("ee", "Estonia", 25)
  , ("fi", "Finland", 19)
  , ("fr", "France", 26)
  , ("de", "Germany", 20)
  , ("gr", "Greece", 27)
  , ("hu", "Hungary", 21)
  , ("is", "Iceland", 15)
  , ("ie", "Ireland", 22)
  , ("it", "Italy", 16)
  , ("lv", "Latvia", 23)
  , ("li", "Liechtenstein", 17)
  , ("lt", "Lithuania", 24)
  , ("lu", "Luxembourg", 18)
  , ("mt", "Malta", 25)
  , ("nl", "Netherlands", 19)
  , ("no", "Norway", 26)
  , ("pl", "Poland", 20)
  , ("pt", "Portugal", 27)
  , ("ro", "Romania", 21)
  , ("sk", "Slovakia", 15)
  , ("si", "Slovenia", 22)
  , ("es", "Spain", 16)
  , ("se", "Sweden", 23)
  , ("ch", "Switzerland", 17)
  , ("ua", "Ukraine", 24)
  , ("gb", "Britain", 18)
  , ("al", "Albania", 25)
  , ("rs", "Serbia", 19)
  , ("me", "Montenegro", 26)
  , ("md", "Moldova", 20)
  , ("mk", "Macedonia", 27)
  , ("ba", "Bosnia", 21)
  , ("ge", "Georgia", 15)
  , ("am", "Armenia", 22)
  , ("tr", "Turkey", 16)
  , ("us", "America", 23)
  , ("ca", "Canada", 17)
  , ("mx", "Mexico", 24)
  , ("br", "Brazil", 18)
  , ("ar", "Argentina", 25)
  , ("cl", "Chile", 19)
  , ("jp", "Japan", 26)
  , ("kr", "Korea", 20)
  , ("cn", "China", 27)
  , ("in", "India", 21)
  , ("au", "Australia", 15)
  , ("nz", "Zealand", 22)
  , ("za", "Africa", 16)
  , ("eg", "Egypt", 23)
  , ("ma", "Morocco", 17)
  , ("tn", "Tunisia", 24)
  , ("ke", "Kenya", 18)
  , ("ng", "Nigeria", 25)
  , ("gh", "Ghana", 19)
  , ("at-islands", "Islands of Austria", 15)
  , ("be-islands", "Islands of Belgium", 22)
  , ("bg-islands", "Islands of Bulgaria", 16)
  , ("hr-islands", "Islands of Croatia", 23)
  , ("cy-islands", "Islands of Cyprus", 17)
  , ("cz-islands", "Islands of Czechia", 24)
  , ("dk-islands", "Islands of Denmark", 18)
  , ("ee-islands", "Islands of Estonia", 25)
  , ("fi-islands", "Islands of Finland", 19)
  , ("fr-islands", "Islands of France", 26)
  , ("de-islands", "Islands of Germany", 20)
  , ("gr-islands", "Islands of Greece", 27)
  , ("hu-islands", "Islands of Hungary", 21)
  , ("is-islands", "Islands of Iceland", 15)
  , ("ie-islands", "Islands of Ireland", 22)
  , ("it-islands", "Islands of Italy", 16)
  , ("lv-islands", "Islands of Latvia", 23)
  , ("li-islands", "Islands of Liechtenstein", 17)
  , ("lt-islands", "Islands of Lithuania", 24)
  , ("lu-islands", "Islands of Luxembourg", 18)
  , ("mt-islands", "Islands of Malta", 25)
  , ("nl-islands", "Islands of Netherlands", 19)
  ]

report :: FilePath -> Country -> IO ()
report path country = do
  text <- readFile path
  case parse country text of
    Left errors -> mapM_ putStrLn errors
    Right order -> do
      let Price paid = total order
          items = length (orderItems order)
      putStrLn (show items ++ " items")
      putStrLn ("to be paid: " ++ show (paid `div` 100) ++ "." ++ show (paid `mod` 100))
      if paid > 100000
        then putStrLn "somebody has to look at this"
        else putStrLn "fine"
      mapM_ (putStrLn . describe) (orderItems order)
  where
    describe it = sku it ++ " at " ++ show (cents (price it)) ++ " cents"
